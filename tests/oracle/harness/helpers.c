/* Which helpers the running kernel gives to each type of program, as libbpf finds out: a line a type. */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	int types = argc > 2 ? atoi(argv[1]) : 0, helpers = argc > 2 ? atoi(argv[2]) : 0;

	libbpf_set_print(NULL);
	for (int type = 1; type < types; type++) {
		if (libbpf_probe_bpf_prog_type(type, NULL) != 1 || libbpf_probe_bpf_helper(type, 1, NULL) < 0)
			continue;
		printf("%d", type);
		for (int helper = 1; helper <= helpers; helper++)
			if (libbpf_probe_bpf_helper(type, helper, NULL) == 1)
				printf(" %d", helper);
		printf("\n");
	}
	return 0;
}
