/* What libbpf makes of an object file, without a kernel: one JSON line for each thing it says or would do.
 *
 *     libbpf_oracle FILE [TYPES]
 *
 * CO-RE adapts the code to the types in the BTF or ELF file TYPES, by default to those of the running kernel.
 *
 * libbpf is linked statically and its syscall() is wrapped (ld --wrap=syscall), so that bpf(2) never happens: every
 * command succeeds, file descriptors are duplicates of /dev/null, and what would have gone to the kernel is printed with
 * names where descriptors stood. libbpf's feature probes all succeed: it prepares the object for the newest kernel it knows.
 * A first, silent load fills libbpf's cache of probes, so that the second shows nothing but the object.
 *
 * Where the object as a whole does not load, each program is tried alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#define FDS 65536

struct fake_fd {
	char name[80];
	__u32 map_type;
	__u32 key_size;
	__u32 value_size;
};

static struct fake_fd fds[FDS];
static bool recording;
static const char *core_types;

static void print_string(const char *text)
{
	putchar('"');
	for (; text && *text; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
			printf("\\u%04x", (unsigned char)*text);
		else
			putchar(*text);
	}
	putchar('"');
}

static void field_number(const char *name, long long value)
{
	printf(", \"%s\": %lld", name, value);
}

static void field_text(const char *name, const char *value)
{
	printf(", \"%s\": ", name);
	print_string(value);
}

static void field_hex(const char *name, const void *bytes, size_t size)
{
	const unsigned char *byte = bytes;

	printf(", \"%s\": \"", name);
	while (size--)
		printf("%02x", *byte++);
	putchar('"');
}

static const char *fd_name(int fd)
{
	return fd > 0 && fd < FDS ? fds[fd].name : "";
}

static int new_fd(const char *name)
{
	static int null = -1;
	int fd;

	if (null < 0)
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
	fd = fcntl(null, F_DUPFD_CLOEXEC, 3);
	if (fd < 0 || fd >= FDS) {
		errno = EMFILE;
		return -1;
	}
	snprintf(fds[fd].name, sizeof(fds[fd].name), "%s", name);
	return fd;
}

static void step(const char *command)
{
	printf("{\"kind\": \"step\", \"command\": \"%s\"", command);
}

static int map_create(const union bpf_attr *attr)
{
	int fd = new_fd(attr->map_name);

	if (fd < 0)
		return fd;
	fds[fd].map_type = attr->map_type;
	fds[fd].key_size = attr->key_size;
	fds[fd].value_size = attr->value_size;
	if (!recording)
		return fd;
	step("MAP_CREATE");
	field_number("fd", fd);
	field_text("name", attr->map_name);
	field_number("type", attr->map_type);
	field_number("key_size", attr->key_size);
	field_number("value_size", attr->value_size);
	field_number("max_entries", attr->max_entries);
	field_number("flags", attr->map_flags);
	field_number("numa_node", attr->numa_node);
	field_number("map_extra", attr->map_extra);
	field_number("btf_key_type_id", attr->btf_key_type_id);
	field_number("btf_value_type_id", attr->btf_value_type_id);
	field_number("has_btf", attr->btf_fd != 0);
	field_text("inner", fd_name(attr->inner_map_fd));
	puts("}");
	return fd;
}

static bool holds_fds(__u32 map_type)
{
	return map_type == BPF_MAP_TYPE_PROG_ARRAY || map_type == BPF_MAP_TYPE_ARRAY_OF_MAPS ||
	       map_type == BPF_MAP_TYPE_HASH_OF_MAPS;
}

static void map_update(const union bpf_attr *attr)
{
	const struct fake_fd *map = &fds[attr->map_fd];
	const void *value = (const void *)attr->value;

	step("MAP_UPDATE_ELEM");
	field_text("map", map->name);
	field_number("map_fd", attr->map_fd);
	field_hex("key", (const void *)attr->key, map->key_size);
	if (holds_fds(map->map_type))
		field_text("value_of", fd_name(*(const int *)value));
	else
		field_hex("value", value, map->value_size);
	field_number("flags", attr->flags);
	puts("}");
}

static void print_instructions(const union bpf_attr *attr)
{
	const struct bpf_insn *given = (const void *)attr->insns;
	struct bpf_insn *code = calloc(attr->insn_cnt, sizeof(*code));
	const char *separator = "";
	__u32 i;

	memcpy(code, given, attr->insn_cnt * sizeof(*code));
	printf(", \"references\": [");
	for (i = 0; i < attr->insn_cnt; i++) {
		if (code[i].code != (BPF_LD | BPF_IMM | BPF_DW))
			continue;
		if (code[i].src_reg == BPF_PSEUDO_MAP_FD || code[i].src_reg == BPF_PSEUDO_MAP_VALUE) {
			printf("%s[%u, ", separator, i);
			print_string(fd_name(code[i].imm));
			printf(", %d]", code[i].imm);
			separator = ", ";
			code[i].imm = 0;
		}
		i++;
	}
	putchar(']');
	field_hex("code", code, attr->insn_cnt * sizeof(*code));
	free(code);
}

static int prog_load(const union bpf_attr *attr)
{
	int fd = new_fd(attr->prog_name);

	/* libbpf's check that loading works at all, repeated for each object, has no name. */
	if (!recording || fd < 0 || !attr->prog_name[0])
		return fd;
	step("PROG_LOAD");
	field_number("fd", fd);
	field_text("name", attr->prog_name);
	field_number("type", attr->prog_type);
	field_number("expected_attach_type", attr->expected_attach_type);
	field_number("flags", attr->prog_flags);
	field_text("license", (const char *)attr->license);
	field_number("kernel_version", attr->kern_version);
	field_number("has_btf", attr->prog_btf_fd != 0);
	field_number("attach_btf_id", attr->attach_btf_id);
	field_number("func_info_record_size", attr->func_info_rec_size);
	field_number("line_info_record_size", attr->line_info_rec_size);
	field_hex("func_info", (const void *)attr->func_info, attr->func_info_cnt * attr->func_info_rec_size);
	field_hex("line_info", (const void *)attr->line_info, attr->line_info_cnt * attr->line_info_rec_size);
	print_instructions(attr);
	puts("}");
	return fd;
}

/* Whether the played kernel is one without a feature: PUREBPF_ORACLE_LACKS names them, with commas before and behind. */
static bool lacks(const char *feature)
{
	const char *all = getenv("PUREBPF_ORACLE_LACKS");
	char wanted[32];

	snprintf(wanted, sizeof(wanted), ",%s,", feature);
	return all && strstr(all, wanted);
}

static int refuse(void)
{
	errno = EINVAL;
	return -1;
}

/* An old kernel refuses types of a kind that it does not know. */
static bool has_unknown_type(const union bpf_attr *attr)
{
	static const char *const kinds[BTF_KIND_ENUM64 + 1] = {
		[BTF_KIND_FUNC] = "func", [BTF_KIND_FUNC_PROTO] = "func", [BTF_KIND_VAR] = "datasec",
		[BTF_KIND_DATASEC] = "datasec", [BTF_KIND_FLOAT] = "float", [BTF_KIND_DECL_TAG] = "decl_tag",
		[BTF_KIND_TYPE_TAG] = "type_tag", [BTF_KIND_ENUM64] = "enum64",
	};
	struct btf *btf = btf__new((const void *)attr->btf, attr->btf_size);
	bool unknown = false;
	__u32 id;

	for (id = 1; btf && id < btf__type_cnt(btf) && !unknown; id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);
		const char *feature = kinds[btf_kind(type)];

		unknown = (feature && lacks(feature)) ||
			  (btf_is_func(type) && btf_vlen(type) == BTF_FUNC_GLOBAL && lacks("global_func")) ||
			  (btf_is_enum(type) && btf_kflag(type) && lacks("enum64"));
	}
	btf__free(btf);
	return unknown;
}

static bool has_unknown_call(const union bpf_attr *attr)
{
	const struct bpf_insn *code = (const void *)attr->insns;
	__u32 i;

	for (i = 0; i < attr->insn_cnt; i++) {
		if (code[i].code == (BPF_JMP | BPF_CALL) && !code[i].src_reg && code[i].imm >= BPF_FUNC_probe_read_user &&
		    code[i].imm <= BPF_FUNC_probe_read_kernel_str)
			return true;
	}
	return false;
}

static int btf_load(const union bpf_attr *attr)
{
	int fd = new_fd("BTF");

	if (has_unknown_type(attr))
		return refuse();
	if (!recording || fd < 0)
		return fd;
	step("BTF_LOAD");
	field_hex("data", (const void *)attr->btf, attr->btf_size);
	puts("}");
	return fd;
}

static bool has_unknown_field(int command, const union bpf_attr *attr)
{
	if (command == BPF_MAP_CREATE)
		return attr->map_flags & BPF_F_MMAPABLE && lacks("mmap");
	if (command != BPF_PROG_LOAD)
		return command == BPF_PROG_BIND_MAP && lacks("bind");
	/* The name is that of libbpf's probe, which must be told from an object that is free of the tag by then. */
	if (lacks("arg_ctx") && !strcmp(attr->prog_name, "det_arg_ctx"))
		return true;
	return (attr->expected_attach_type && lacks("attach_type")) ||
	       (lacks("probe_read") && has_unknown_call(attr));
}

static long fake_bpf(int command, const union bpf_attr *attr)
{
	if (has_unknown_field(command, attr))
		return refuse();
	switch (command) {
	case BPF_MAP_CREATE:
		return map_create(attr);
	case BPF_PROG_LOAD:
		return prog_load(attr);
	case BPF_BTF_LOAD:
		return btf_load(attr);
	case BPF_MAP_UPDATE_ELEM:
		if (recording)
			map_update(attr);
		return 0;
	case BPF_MAP_FREEZE:
		if (recording) {
			step("MAP_FREEZE");
			field_text("map", fd_name(attr->map_fd));
			puts("}");
		}
		return 0;
	case BPF_PROG_BIND_MAP:
		if (recording) {
			step("PROG_BIND_MAP");
			field_text("program", fd_name(attr->prog_bind_map.prog_fd));
			field_text("map", fd_name(attr->prog_bind_map.map_fd));
			puts("}");
		}
		return 0;
	case BPF_OBJ_PIN:
		if (recording) {
			step("OBJ_PIN");
			field_text("path", (const char *)attr->pathname);
			field_text("map", fd_name(attr->bpf_fd));
			puts("}");
		}
		return 0;
	case BPF_OBJ_GET:
	case BPF_BTF_GET_NEXT_ID:
		errno = ENOENT;
		return -1;
	case 36: /* BPF_TOKEN_CREATE, for which newer versions ask; older headers do not name it. */
		return refuse();
	case BPF_LINK_CREATE:
	case BPF_RAW_TRACEPOINT_OPEN:
		return new_fd("link");
	default:
		return 0;
	}
}

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);

long __wrap_syscall(long number, ...)
{
	long arguments[6];
	va_list list;
	int i;

	va_start(list, number);
	for (i = 0; i < 6; i++)
		arguments[i] = va_arg(list, long);
	va_end(list);
	if (number == __NR_bpf)
		return fake_bpf(arguments[0], (const union bpf_attr *)arguments[1]);
	return __real_syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
}

/* libbpf asks whether a pin's folder is a bpffs; none need be mounted. */
int __wrap_statfs(const char *path, struct statfs *result)
{
	(void)path;
	memset(result, 0, sizeof(*result));
	result->f_type = BPF_FS_MAGIC;
	return 0;
}

/* What was said first is the reason of a failure, the rest its echo. */
static char first_warning[512];

static int keep_warning(enum libbpf_print_level level, const char *format, va_list list)
{
	if (level == LIBBPF_WARN && !first_warning[0])
		vsnprintf(first_warning, sizeof(first_warning), format, list);
	return 0;
}

static void describe(const struct bpf_object *object)
{
	struct bpf_program *program;
	struct bpf_map *map;

	bpf_object__for_each_program(program, object) {
		printf("{\"kind\": \"program\"");
		field_text("name", bpf_program__name(program));
		field_text("section", bpf_program__section_name(program));
		field_number("type", bpf_program__type(program));
		field_number("expected_attach_type", bpf_program__expected_attach_type(program));
		field_number("autoload", bpf_program__autoload(program));
		puts("}");
	}
	bpf_object__for_each_map(map, object) {
		size_t size = 0;
		const void *value = bpf_map__initial_value(map, &size);

		printf("{\"kind\": \"map\"");
		field_text("name", bpf_map__name(map));
		field_number("type", bpf_map__type(map));
		field_number("key_size", bpf_map__key_size(map));
		field_number("value_size", bpf_map__value_size(map));
		field_number("max_entries", bpf_map__max_entries(map));
		field_number("flags", bpf_map__map_flags(map));
		field_number("numa_node", bpf_map__numa_node(map));
		field_number("map_extra", bpf_map__map_extra(map));
		field_number("key_type", bpf_map__btf_key_type_id(map));
		field_number("value_type", bpf_map__btf_value_type_id(map));
		field_text("pin_path", bpf_map__pin_path(map));
		if (value)
			field_hex("contents", value, size);
		puts("}");
	}
}

static void report(const char *kind, const char *program, int error)
{
	printf("{\"kind\": \"%s\"", kind);
	if (program)
		field_text("program", program);
	field_number("error", error);
	field_text("reason", error ? first_warning : "");
	puts("}");
}

static struct bpf_object *open_object(const char *path, const char *only)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .btf_custom_path = core_types);
	struct bpf_object *object = bpf_object__open_file(path, &options);
	struct bpf_program *program;

	if (!object)
		return NULL;
	bpf_object__for_each_program(program, object) {
		bool chosen = !only || !strcmp(bpf_program__name(program), only);

		/* A section that libbpf does not know would fail the whole object. */
		if (bpf_program__type(program) == BPF_PROG_TYPE_UNSPEC || !chosen)
			bpf_program__set_autoload(program, false);
	}
	return object;
}

/* The kernel gets names cut to 15 bytes; these are the whole ones. */
static void name_fds(const struct bpf_object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object) {
		if (bpf_program__fd(program) < 0)
			continue;
		printf("{\"kind\": \"program_fd\"");
		field_number("fd", bpf_program__fd(program));
		field_text("name", bpf_program__name(program));
		puts("}");
	}
}

static int try_load(const char *path, const char *only, bool record)
{
	struct bpf_object *object = open_object(path, only);
	int error;

	if (!object)
		return -errno;
	first_warning[0] = 0;
	recording = record;
	error = bpf_object__load(object);
	recording = false;
	if (record) {
		if (!error)
			name_fds(object);
		report("loaded", only, error);
	}
	bpf_object__close(object);
	return error;
}

static void load_each_alone(const char *path, const struct bpf_object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object) {
		if (bpf_program__type(program) != BPF_PROG_TYPE_UNSPEC && bpf_program__autoload(program))
			try_load(path, bpf_program__name(program), true);
	}
}

int main(int argc, char **argv)
{
	struct bpf_object *object;

	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: libbpf_oracle FILE [TYPES]\n");
		return 2;
	}
	core_types = argv[2];
	libbpf_set_print(keep_warning);
	object = bpf_object__open_file(argv[1], NULL);
	report("open", NULL, object ? 0 : -errno);
	if (!object)
		return 0;
	printf("{\"kind\": \"object\"");
	field_number("kernel_version", bpf_object__kversion(object));
	puts("}");
	describe(object);
	if (try_load(argv[1], NULL, false))
		load_each_alone(argv[1], object);
	else
		try_load(argv[1], NULL, true);
	bpf_object__close(object);
	return 0;
}
