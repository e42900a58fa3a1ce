// libbpf_distill distill KERNEL MODULE BASE_OUT SPLIT_OUT: distills a module's split BTF with libbpf (1.5 or newer).
// libbpf_distill relocate BASE SPLIT KERNEL OUT: fits a distilled one to a kernel's types, and writes the result.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

static void give_up(const char *what, long error)
{
	fprintf(stderr, "%s: %ld\n", what, error);
	exit(1);
}

static struct btf *parsed(const char *path, struct btf *base)
{
	struct btf *btf = btf__parse_split(path, base);

	if (!btf)
		give_up(path, -errno);
	return btf;
}

static void save(const struct btf *btf, const char *path)
{
	__u32 size;
	const void *data = btf__raw_data(btf, &size);
	FILE *out = fopen(path, "wb");

	if (!data || !out || fwrite(data, size, 1, out) != 1 || fclose(out))
		give_up(path, -errno);
}

int main(int count, char **words)
{
	struct btf *base, *btf, *small, *split;
	int error;

	if (count != 6)
		give_up("usage: libbpf_distill distill|relocate FILE FILE FILE FILE", -EINVAL);
	base = parsed(words[2], NULL);
	btf = parsed(words[3], base);
	if (!strcmp(words[1], "distill")) {
		error = btf__distill_base(btf, &small, &split);
		if (error)
			give_up("btf__distill_base", error);
		save(small, words[4]);
		save(split, words[5]);
		return 0;
	}
	error = btf__relocate(btf, parsed(words[4], NULL));
	if (error)
		give_up("btf__relocate", error);
	save(btf, words[5]);
	return 0;
}
