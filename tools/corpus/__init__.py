"""The corpus: real objects out of Debian packages, and what libbpf and purebpf each make of them."""
