"""The one thing pyproject.toml cannot say: the C extension and its build switches."""

import os
import sys

from setuptools import Extension, setup

# PUREBPF_SANITIZE=1 builds with ASan and UBSan (run with LD_PRELOAD=libasan.so); PUREBPF_WERROR=1 as CI does.
flags = ["-Wall", "-Wextra", "-O2", "-std=c11", "-fvisibility=hidden"]
link = []
if os.environ.get("PUREBPF_WERROR") == "1":
    flags += ["-Werror"]
if os.environ.get("PUREBPF_SANITIZE") == "1":
    flags += ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g", "-O1"]
    link += ["-fsanitize=address,undefined"]
if sys.platform == "win32":
    flags = []

setup(
    ext_modules=[
        Extension(
            "purebpf._fastpath",
            ["purebpf/_fastpath.c", "purebpf/_fastpath_memory.c"],
            depends=["purebpf/_fastpath.h"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            py_limited_api=True,
            extra_compile_args=flags,
            extra_link_args=link,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
