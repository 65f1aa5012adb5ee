# SPDX-License-Identifier: MIT
"""`pip install ./python`: the project's own CMake builds the extension, the library inside it; this
file says where the parts are. It needs the whole tree, a C compiler and CMake 3.22."""

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
# What setuptools writes on its way goes elsewhere, and the sources stay as they are.
SCRATCH = tempfile.mkdtemp(prefix="faciliter-build-")
atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)
PACKAGES = ["faciliter_lib", "faciliter_lib.cache"]


def read_version():
    with open(os.path.join(ROOT, "include", "faciliter", "version.h"), encoding="utf-8") as header:
        return ".".join(re.findall(r"#define FAC_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header.read()))


class CMakeBuild(build_ext):
    """One extension, built by CMake."""

    def build_extension(self, ext):
        folder = os.path.abspath(os.path.join(self.build_temp, "cmake"))
        generator = ["-G", "Ninja"] if shutil.which("ninja") else []
        subprocess.check_call(
            ["cmake", "-S", ROOT, "-B", folder, *generator, "-DCMAKE_BUILD_TYPE=Release",
             "-DFAC_PYTHON=ON", "-DFAC_CLI=OFF", "-DFAC_EXAMPLES=OFF",
             f"-DPython3_EXECUTABLE={sys.executable}"]
        )
        subprocess.check_call(
            ["cmake", "--build", folder, "--target", "faciliter_python", "--parallel",
             os.environ.get("FAC_JOBS", str(os.cpu_count() or 1))]
        )
        target = self.get_ext_fullpath(ext.name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        built = os.path.join(folder, "python", "faciliter_lib", "cache", "_native.abi3.so")
        shutil.copyfile(built, target)


setup(
    name="faciliter-lib",
    version=read_version(),
    description="One application cache over Redis, Valkey or the process's own memory",
    license="MIT",
    python_requires=">=3.9",
    packages=PACKAGES,
    package_data={"faciliter_lib": ["py.typed"], "faciliter_lib.cache": ["_native.pyi"]},
    ext_modules=[Extension("faciliter_lib.cache._native", sources=[], py_limited_api=True)],
    cmdclass={"build_ext": CMakeBuild},
    options={
        "bdist_wheel": {"py_limited_api": "cp39"},
        "build": {"build_base": SCRATCH},
        "egg_info": {"egg_base": SCRATCH},
    },
    zip_safe=False,
)
