"""Debian kernels in qemu: `kernels` fetches them, `archive` and `image` build the initramfs, `machine` boots it."""
