/* What libbpf makes of an object file, as JSON lines on standard output; the calls between them come from record.so.
 *
 *     load FILE
 *
 * Attempts: the object as it is; each program that it does not load by itself, alone; and where the object as a whole
 * does not load, or CORPUS_EACH is set, each of its programs alone. Before the first one a load is thrown away, so that libbpf's questions
 * about the kernel's features, asked once a process, are not among the calls.
 *
 *     {"kind": "open", "error": 0, "reason": ""}
 *     {"kind": "program", ...} and {"kind": "map", ...}       what the opened object says
 *     {"kind": "attempt", "program": ""}                      then calls, then:
 *     {"kind": "outcome", "error": 0, "reason": ""}
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

extern void corpus_record(int what) __attribute__((weak));
extern int corpus_fresh_pins(void) __attribute__((weak));

static void string(const char *name, const char *text)
{
	printf(", \"%s\": \"", name);
	for (; text && *text; text++) {
		unsigned char c = *text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void number(const char *name, long long value)
{
	printf(", \"%s\": %lld", name, value);
}

/* What was said first is the reason of a failure, the rest its echo; but "failed to find" lines say more. */
static char first_warning[1024];

static int keep_warning(enum libbpf_print_level level, const char *format, va_list list)
{
	if (level == LIBBPF_WARN && !first_warning[0])
		vsnprintf(first_warning, sizeof(first_warning), format, list);
	return 0;
}

static void report(const char *kind, int error)
{
	printf("{\"kind\": \"%s\"", kind);
	number("error", error);
	string("reason", error ? first_warning : "");
	puts("}");
	fflush(stdout);
}

static void describe(const struct bpf_object *object)
{
	struct bpf_program *program;
	struct bpf_map *map;

	bpf_object__for_each_program(program, object) {
		printf("{\"kind\": \"program\"");
		string("name", bpf_program__name(program));
		string("section", bpf_program__section_name(program));
		number("type", bpf_program__type(program));
		number("expected_attach_type", bpf_program__expected_attach_type(program));
		number("autoload", bpf_program__autoload(program));
		puts("}");
	}
	bpf_object__for_each_map(map, object) {
		printf("{\"kind\": \"map\"");
		string("name", bpf_map__name(map));
		number("type", bpf_map__type(map));
		number("key_size", bpf_map__key_size(map));
		number("value_size", bpf_map__value_size(map));
		number("max_entries", bpf_map__max_entries(map));
		number("flags", bpf_map__map_flags(map));
		number("numa_node", bpf_map__numa_node(map));
		number("map_extra", bpf_map__map_extra(map));
		string("pin_path", bpf_map__pin_path(map));
		puts("}");
	}
	fflush(stdout);
}

static struct bpf_object *open_object(const char *path, const char *only)
{
	struct bpf_object *object;
	struct bpf_program *program;

	first_warning[0] = 0;
	object = bpf_object__open_file(path, NULL);
	if (!object || !only)
		return object;
	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program, !strcmp(bpf_program__name(program), only));
	return object;
}

static void record(int what)
{
	fflush(stdout);
	if (corpus_record)
		corpus_record(what);
}

static int attempt(const char *path, const char *only, bool shown)
{
	struct bpf_object *object;
	int error;

	if (corpus_fresh_pins && corpus_fresh_pins()) {
		perror("load: a file system for pins");
		exit(2);
	}
	if (shown) {
		printf("{\"kind\": \"attempt\"");
		string("program", only ? only : "");
		puts("}");
	}
	record(shown);
	object = open_object(path, only);
	error = object ? bpf_object__load(object) : -errno;
	record(0);
	if (shown)
		report("outcome", error);
	bpf_object__close(object);
	record(-1);
	return error;
}

int main(int argc, char **argv)
{
	struct bpf_object *object;
	struct bpf_program *program;
	bool whole;

	if (argc != 2) {
		fprintf(stderr, "usage: load FILE\n");
		return 2;
	}
	libbpf_set_print(keep_warning);
	object = open_object(argv[1], NULL);
	report("open", object ? 0 : -errno);
	if (!object)
		return 0;
	describe(object);
	attempt(argv[1], NULL, false);
	whole = !attempt(argv[1], NULL, true) && !getenv("CORPUS_EACH");
	bpf_object__for_each_program(program, object) {
		if (!whole || !bpf_program__autoload(program))
			attempt(argv[1], bpf_program__name(program), true);
	}
	bpf_object__close(object);
	return 0;
}
