"""What is generated from BTF and objects: headers, descriptions. Pure: bytes and text in, text out."""
