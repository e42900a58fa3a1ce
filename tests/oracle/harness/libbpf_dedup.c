// libbpf_dedup OUT IN...: merges BTF files with libbpf, removes duplicates with it, and writes the result.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

static void give_up(const char *what, long error)
{
	fprintf(stderr, "%s: %ld\n", what, error);
	exit(1);
}

int main(int count, char **words)
{
	struct btf *merged = btf__new_empty();
	const void *data;
	__u32 size;
	FILE *out;
	int error;

	if (count < 3)
		give_up("usage: libbpf_dedup OUT IN...", -EINVAL);
	if (libbpf_get_error(merged))
		give_up("btf__new_empty", libbpf_get_error(merged));
	for (int at = 2; at < count; at++) {
		struct btf *part = btf__parse(words[at], NULL);

		if (libbpf_get_error(part))
			give_up(words[at], libbpf_get_error(part));
		error = btf__add_btf(merged, part);
		if (error < 0)
			give_up("btf__add_btf", error);
		btf__free(part);
	}
	error = btf__dedup(merged, NULL);
	if (error)
		give_up("btf__dedup", error);
	data = btf__raw_data(merged, &size);
	out = fopen(words[1], "wb");
	if (!data || !out || fwrite(data, size, 1, out) != 1 || fclose(out))
		give_up(words[1], errno);
	btf__free(merged);
	return 0;
}
