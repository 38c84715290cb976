#!/usr/bin/env python3
"""Rules of the source tree: layers point one way, a library is included in one folder, names and calls keep to the conventions.

usage: layers.py BUILD_DIR SOURCE_DIR
"""
import os
import re
import subprocess
import sys

build, source = sys.argv[1], sys.argv[2]

# Folders of one level do not know each other; each knows the levels below it.
LEVELS = [["base"], ["tensor"], ["store", "comm"], ["graph", "data", "optim"], ["model", "checkpoint", "report"],
          ["train", "export"], ["config"], ["cli"]]
LEVEL = {folder: depth for depth, folders in enumerate(LEVELS) for folder in folders}
# Public headers belong to a folder of src, most by name.
HEADER_OF = {"status": "base", "memory": "base", "clock": "base", "logger": "base", "random": "base", "sum": "base",
             "elementary": "base", "file": "base", "document": "base", "options": "base", "signals": "base",
             "reducer": "comm",
             "metrics": "train"}
LIBRARIES = {"cblas.h": {"tensor"}, "hdf5.h": {"store"}, "mpi.h": {"comm", "cli/main.c"},
             "yaml.h": {"config"}}
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atof|atol|rand|srand|gets)\s*\(")

problems = []


def owner(header):
    return HEADER_OF.get(header, header)


def check(path, folder, text):
    here = os.path.relpath(path, source)
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{here}:{number}"
        found = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line)
        if found:
            name = found.group(1)
            if name in LIBRARIES and folder not in LIBRARIES[name] and here[len("src/"):] not in LIBRARIES[name]:
                problems.append(f"{where}: <{name}> belongs in {', '.join(sorted(LIBRARIES[name]))}")
            if name == "lockstep/lockstep.h":
                continue
            if name.startswith("lockstep/"):
                target = owner(name[len("lockstep/"):-2])
            else:
                target = name.split("/")[0] if "/" in name else None
            if target in LEVEL and target != folder and LEVEL[target] >= LEVEL[folder]:
                problems.append(f"{where}: {folder} must not include {name}: layers point down only")
        code = re.sub(r'"(\\.|[^"\\])*"', '""', line.split("//")[0])
        if BANNED.search(code):
            problems.append(f"{where}: banned function: {line.strip()}")
        if len(line) > 120:
            problems.append(f"{where}: {len(line)} columns; at most 120")
        if "\t" in line:
            problems.append(f"{where}: tab")


for top in ("src", "include/lockstep"):
    for folder, _, files in os.walk(os.path.join(source, top)):
        for name in sorted(files):
            if not name.endswith((".c", ".h", ".inc")):
                continue
            path = os.path.join(folder, name)
            text = open(path, encoding="utf-8").read()
            if top == "src":
                module = os.path.relpath(path, os.path.join(source, "src")).split(os.sep)[0]
            elif name == "lockstep.h":
                continue
            else:
                module = owner(name[:-2])
            if module not in LEVEL:
                problems.append(f"{os.path.relpath(path, source)}: no such module: {module}")
                continue
            check(path, module, text)

# Every public header compiles alone, as the first thing a program includes.
for name in sorted(os.listdir(os.path.join(source, "include/lockstep"))):
    done = subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I",
                           os.path.join(source, "include"), "-x", "c", "-"],
                          input=f'#include "lockstep/{name}"\nint main(void) {{ return 0; }}\n', text=True, capture_output=True)
    if done.returncode:
        problems.append(f"include/lockstep/{name} does not compile alone:\n{done.stderr}")

# The library has no writable global state (sanitizers add their own, so only plain builds are looked at).
library = os.path.join(build, "liblockstep.a")
cache = open(os.path.join(build, "CMakeCache.txt")).read()
if os.path.exists(library) and "CMAKE_BUILD_TYPE:STRING=Sanitize" not in cache:
    objects = subprocess.run(["objdump", "-t", library], text=True, capture_output=True).stdout
    for line in objects.splitlines():
        # value flags section size name; constant tables with pointers lie in .data.rel.ro
        fields = line.split()
        if len(fields) >= 5 and " O " in line and re.match(r"\.(data|bss|tdata|tbss)(\.(?!rel\.ro)|$)", fields[-3]):
            if fields[-1] not in {"ls__signals", "ls__hdf5_mutex"}:
                problems.append(f"writable global {fields[-1]}")

# Two modules must not define one name: an archive would take either, without a word.
names = subprocess.run(["nm", "--defined-only", "--extern-only", library], text=True, capture_output=True).stdout
seen = set()
for line in names.splitlines():
    fields = line.split()
    if len(fields) == 3 and fields[1] in "TDRB":
        if fields[2] in seen:
            problems.append(f"{fields[2]} is defined twice in the library")
        seen.add(fields[2])

for problem in problems:
    print(problem)
print(f"{len(problems)} problems")
sys.exit(1 if problems else 0)
