/* Records every bpf(2) call of the process it is preloaded into, one JSON line each: the command, the attribute as
 * bytes, the memory that its pointers refer to, the result. Whoever makes the calls (libbpf, purebpf's C extension)
 * goes through libc's syscall(), which is replaced here: so both are seen with the same eyes.
 *
 *     LD_PRELOAD=record.so CORPUS_PLAY=1 PROGRAM
 *
 * With CORPUS_PLAY bpf(2) is played: what makes or changes something succeeds without reaching the kernel, file
 * descriptors are memory files, and only questions about the kernel's types are passed on. CORPUS_RELEASE and
 * CORPUS_VERSION are what uname() says then.
 *
 * Lines go to descriptor 1, after whatever the program has flushed to it. Nothing is written before corpus_record(1);
 * while it is 0, calls are noted without the memory they refer to, so that descriptors made meanwhile are known.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define FDS 65536
#define LOG_TAIL 400
#define PSEUDO_KFUNC_CALL 2
/* Newer than the headers this may be compiled with. */
#define BPF_TOKEN_CREATE 36

struct made {
	unsigned int type;
	unsigned int key_size;
	unsigned int value_size;
};

static struct made maps[FDS];
static bool played_fds[FDS];
static int recording = -1;
static FILE *out;

static long (*real_syscall)(long number, ...);
static int (*real_uname)(struct utsname *name);

/* 1: whole records; 0: descriptors only; -1: nothing. */
__attribute__((visibility("default"))) void corpus_record(int what)
{
	if (!out)
		out = fdopen(dup(1), "w");
	recording = what;
}

/* A new, empty file system for pins; the caller lives in a mount namespace of its own. */
__attribute__((visibility("default"))) int corpus_fresh_pins(void)
{
	umount2("/sys/fs/bpf", MNT_DETACH);
	return mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL);
}

static void hex(const char *name, const void *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *byte = bytes;

	fprintf(out, ", \"%s\": \"", name);
	for (; bytes && size--; byte++) {
		putc(digits[*byte >> 4], out);
		putc(digits[*byte & 15], out);
	}
	putc('"', out);
}

static void text(const char *name, const char *from)
{
	hex(name, from, from ? strlen(from) : 0);
}

static size_t value_size(const struct made *map)
{
	size_t size = map->value_size;

	switch (map->type) {
	case BPF_MAP_TYPE_PERCPU_ARRAY:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
	case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE:
		return (size + 7) / 8 * 8 * sysconf(_SC_NPROCESSORS_CONF);
	default:
		return size;
	}
}

/* The kernel is given no length: as long as the calls of kernel functions in modules say. */
static size_t fd_array_size(const union bpf_attr *attr)
{
	const struct bpf_insn *insn = (const void *)attr->insns;
	size_t count = 0;

	for (__u32 i = 0; i < attr->insn_cnt; i++)
		if (insn[i].code == (BPF_JMP | BPF_CALL) && insn[i].src_reg == PSEUDO_KFUNC_CALL && insn[i].off > 0 &&
		    count <= (size_t)insn[i].off)
			count = insn[i].off + 1;
	return count * sizeof(int);
}

static void memory(int command, const union bpf_attr *attr, bool failed)
{
	const struct made *map;

	switch (command) {
	case BPF_PROG_LOAD:
		hex("insns", (void *)attr->insns, attr->insn_cnt * sizeof(struct bpf_insn));
		text("license", (void *)attr->license);
		hex("func_info", (void *)attr->func_info, attr->func_info_cnt * attr->func_info_rec_size);
		hex("line_info", (void *)attr->line_info, attr->line_info_cnt * attr->line_info_rec_size);
		if (attr->fd_array)
			hex("fd_array", (void *)attr->fd_array, fd_array_size(attr));
		if (failed && attr->log_level && attr->log_buf) {
			const char *log = (void *)attr->log_buf;
			size_t length = strnlen(log, attr->log_size);

			hex("log", log + (length > LOG_TAIL ? length - LOG_TAIL : 0), length > LOG_TAIL ? LOG_TAIL : length);
		}
		break;
	case BPF_BTF_LOAD:
		hex("btf", (void *)attr->btf, attr->btf_size);
		break;
	case BPF_MAP_UPDATE_ELEM:
		map = &maps[attr->map_fd];
		hex("key", (void *)attr->key, map->key_size);
		hex("value", (void *)attr->value, value_size(map));
		break;
	case BPF_OBJ_PIN:
	case BPF_OBJ_GET:
		text("path", (void *)attr->pathname);
		break;
	}
}

static void note(int command, const union bpf_attr *attr, unsigned int size, long result, int error)
{
	if (command == BPF_MAP_CREATE && result >= 0 && result < FDS)
		maps[result] = (struct made){attr->map_type, attr->key_size, attr->value_size};
	if (recording < 0)
		return;
	fprintf(out, "{\"kind\": \"call\", \"command\": %d, \"result\": %ld, \"errno\": %d", command, result, error);
	if (recording) {
		hex("attr", attr, size);
		memory(command, attr, result < 0);
	} else if (command == BPF_BTF_GET_FD_BY_ID) {
		hex("attr", attr, size);
	}
	fprintf(out, "%s}\n", recording ? "" : ", \"quiet\": 1");
	fflush(out);
}

static long fake_fd(size_t size)
{
	int fd = memfd_create("corpus", MFD_CLOEXEC);

	if (fd < 0)
		return fd;
	if (size && ftruncate(fd, size))
		return -1;
	if (fd < FDS)
		played_fds[fd] = true;
	return fd;
}

/* libbpf maps the memory of arrays and arenas. */
static size_t memory_of(const union bpf_attr *attr)
{
	if (attr->map_type == BPF_MAP_TYPE_ARRAY)
		return ((size_t)attr->value_size + 7) / 8 * 8 * attr->max_entries + 4096;
	return attr->map_flags & BPF_F_MMAPABLE ? (size_t)attr->max_entries * 4096 : 0;
}

/* link_create.uprobe_multi.path and .pid, which the headers may not know yet. A kernel looks at the process first. */
static int refusal_of_link(const union bpf_attr *attr)
{
	__u64 path;
	__s32 process;

	memcpy(&path, (const char *)attr + 16, sizeof(path));
	memcpy(&process, (const char *)attr + 56, sizeof(process));
	if (path && strcmp((const char *)path, "/"))
		return EINVAL;
	return path && process < 0 ? EINVAL : EBADF;
}

static long play(int command, union bpf_attr *attr, unsigned int size)
{
	switch (command) {
	case BPF_MAP_CREATE:
		return fake_fd(memory_of(attr));
	case BPF_PROG_LOAD:
	case BPF_BTF_LOAD:
	case BPF_RAW_TRACEPOINT_OPEN:
		return fake_fd(0);
	case BPF_OBJ_GET:
	case BPF_TOKEN_CREATE:
		errno = ENOENT;
		return -1;
	case BPF_OBJ_GET_INFO_BY_FD:
		if (attr->info.bpf_fd < FDS && played_fds[attr->info.bpf_fd]) {
			errno = EINVAL;
			return -1;
		}
		return real_syscall(__NR_bpf, command, attr, size);
	case BPF_LINK_CREATE:
		/* libbpf asks for a link that cannot be, and knows by the error that the kernel understood. */
		errno = refusal_of_link(attr);
		return -1;
	case BPF_BTF_GET_NEXT_ID:
	case BPF_BTF_GET_FD_BY_ID:
		return real_syscall(__NR_bpf, command, attr, size);
	default:
		return 0;
	}
}

static long recorded_bpf(int command, union bpf_attr *attr, unsigned int size)
{
	static int playing = -1;
	union bpf_attr given;
	long result;
	int error;

	if (playing < 0)
		playing = getenv("CORPUS_PLAY") != NULL;
	memset(&given, 0, sizeof(given));
	memcpy(&given, attr, size < sizeof(given) ? size : sizeof(given));
	result = playing ? play(command, attr, size) : real_syscall(__NR_bpf, command, attr, size);
	error = result < 0 ? errno : 0;
	note(command, &given, size < sizeof(given) ? size : sizeof(given), result, error);
	errno = error;
	return result;
}

/* libbpf 1.5 makes a placeholder for each map when it opens an object, and puts the map in its place. */
static void note_copy(long from, long to)
{
	if (from < 0 || to < 0 || from >= FDS || to >= FDS)
		return;
	maps[to] = maps[from];
	played_fds[to] = played_fds[from];
	if (recording >= 0) {
		fprintf(out, "{\"kind\": \"copy\", \"from\": %ld, \"to\": %ld}\n", from, to);
		fflush(out);
	}
}

__attribute__((visibility("default"))) long syscall(long number, ...)
{
	long a[6];
	va_list list;
	long result;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (!real_syscall)
		real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	if (number == __NR_bpf)
		return recorded_bpf(a[0], (union bpf_attr *)a[1], a[2]);
	result = real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (number == __NR_dup3 && result >= 0)
		note_copy(a[0], a[1]);
	return result;
}

__attribute__((visibility("default"))) int uname(struct utsname *name)
{
	const char *release = getenv("CORPUS_RELEASE");
	const char *version = getenv("CORPUS_VERSION");
	int result;

	if (!real_uname)
		real_uname = (int (*)(struct utsname *))dlsym(RTLD_NEXT, "uname");
	result = real_uname(name);
	if (release)
		snprintf(name->release, sizeof(name->release), "%s", release);
	if (version)
		snprintf(name->version, sizeof(name->version), "%s", version);
	return result;
}
