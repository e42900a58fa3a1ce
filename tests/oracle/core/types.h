/* Variables put their types into the BTF. */
#define KEEP(name) struct name *keep_##name;
#define KEEP_TYPE(name) name *keep_##name;
