/* libbpf's side of the benches: the same work as bench/work.py does, in C, one figure a line as "name value".
 *
 *     peer maps FILE COUNT          update, look up and delete COUNT entries of its map 'numbers'
 *     peer ring FILE COUNT SIZE     drain COUNT records of SIZE bytes into a buffer
 *     peer load FILE TIMES          open, load and close, once unmeasured and then TIMES times
 *     peer first FILE               open, load and close, twice: the first and the second time in a process, and
 *                                   by how many bytes the most memory in use grew
 *     peer types NAME               the kernel's types, and one of them looked up
 *
 * Times are nanoseconds of this thread's CPU time for all of the work together.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#define RB_NO_WAKEUP 1

struct arguments {
	unsigned long long count;
	unsigned long long size;
	unsigned long long flags;
};

struct sink {
	char *at;
	char *end;
	unsigned long long count;
};

static void fail(const char *what)
{
	fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long long cpu_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void print(const char *name, unsigned long long value)
{
	printf("%s %llu\n", name, value);
}

/* A row of /proc/self/status, in bytes. */
static unsigned long long memory(const char *row)
{
	FILE *file = fopen("/proc/self/status", "r");
	unsigned long long found = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, row, strlen(row)))
			found = strtoull(line + strlen(row) + 1, NULL, 10) * 1024;
	if (!found)
		fail(row);
	fclose(file);
	return found;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list list)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, list) : 0;
}

static void bench_maps(const char *path, unsigned int count)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	unsigned long long start, value, sum = 0;
	unsigned int key;
	int fd;

	if (!object || bpf_object__load(object))
		fail(path);
	fd = bpf_object__find_map_fd_by_name(object, "numbers");
	start = cpu_time();
	for (key = 0; key < count; key++) {
		value = key * 3ULL;
		if (bpf_map_update_elem(fd, &key, &value, BPF_ANY))
			fail("update");
	}
	print("update", cpu_time() - start);
	start = cpu_time();
	for (key = 0; key < count; key++) {
		if (bpf_map_lookup_elem(fd, &key, &value))
			fail("lookup");
		sum += value;
	}
	print("lookup", cpu_time() - start);
	print("sum", sum);
	start = cpu_time();
	for (key = 0; key < count; key++) {
		if (bpf_map_delete_elem(fd, &key))
			fail("delete");
	}
	print("delete", cpu_time() - start);
}

static int take(void *context, void *data, size_t size)
{
	struct sink *sink = context;

	if (size > (size_t)(sink->end - sink->at))
		return -ENOSPC;
	memcpy(sink->at, data, size);
	sink->at += size;
	sink->count++;
	return 0;
}

static void bench_ring(const char *path, unsigned int count, unsigned int size)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct arguments arguments = {count, size, RB_NO_WAKEUP};
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &arguments, .ctx_size_in = sizeof(arguments));
	unsigned long long start, sum = 0, first;
	struct ring_buffer *ring;
	struct sink sink = {};
	char *buffer = malloc((size_t)count * size), *at;

	if (!object || !buffer || bpf_object__load(object))
		fail(path);
	/* Twice: the first pass faults the buffer's pages in. */
	for (int pass = 0; pass < 2; pass++) {
		sink = (struct sink){buffer, buffer + (size_t)count * size, 0};
		ring = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "events"), take, &sink, NULL);
		if (!ring || bpf_prog_test_run_opts(
				     bpf_program__fd(bpf_object__find_program_by_name(object, "emit")), &run))
			fail("emit");
		start = cpu_time();
		if (ring_buffer__consume(ring) < 0)
			fail("consume");
		start = cpu_time() - start;
		ring_buffer__free(ring);
	}
	for (at = buffer; at < sink.at; at += size) {
		memcpy(&first, at, sizeof(first));
		sum += first;
	}
	print("drain", start);
	print("count", sink.count);
	print("sum", sum);
}

static void load_once(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);

	if (!object || bpf_object__load(object))
		fail(path);
	bpf_object__close(object);
}

static void bench_load(const char *path, unsigned int times)
{
	unsigned long long start;
	unsigned int i;

	load_once(path);
	start = cpu_time();
	for (i = 0; i < times; i++)
		load_once(path);
	print("load", cpu_time() - start);
}

static void bench_first(const char *path)
{
	unsigned long long before = memory("VmRSS"), start = cpu_time();

	load_once(path);
	print("first", cpu_time() - start);
	print("memory", memory("VmHWM") - before);
	start = cpu_time();
	load_once(path);
	print("second", cpu_time() - start);
}

/* The first time in a process, as in ours: what the allocator keeps would make a second one twice as fast. */
static void bench_types(const char *name)
{
	unsigned long long start = cpu_time(), loaded;
	struct btf *btf = btf__load_vmlinux_btf();

	loaded = cpu_time();
	if (!btf)
		fail("the kernel's BTF");
	print("id", btf__find_by_name(btf, name));
	print("found", cpu_time() - start);
	print("types", loaded - start);
	print("count", btf__type_cnt(btf));
	btf__free(btf);
}

int main(int argc, char **argv)
{
	libbpf_set_print(quiet);
	if (argc == 4 && !strcmp(argv[1], "maps"))
		bench_maps(argv[2], atoi(argv[3]));
	else if (argc == 5 && !strcmp(argv[1], "ring"))
		bench_ring(argv[2], atoi(argv[3]), atoi(argv[4]));
	else if (argc == 4 && !strcmp(argv[1], "load"))
		bench_load(argv[2], atoi(argv[3]));
	else if (argc == 3 && !strcmp(argv[1], "first"))
		bench_first(argv[2]);
	else if (argc == 3 && !strcmp(argv[1], "types"))
		bench_types(argv[2]);
	else
		return 2;
	return 0;
}
