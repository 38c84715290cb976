#!/usr/bin/env python3
"""What a step costs in one setting over what it costs in another, alternating in one run.

usage: step.py BUILD_DIR [--alternations 5] [--seconds 4] [--only math,ranks,microbatch,saves]

    math        blas over exact, one rank, 64 samples, every network
    ranks       one rank over two, 64 samples a rank
    microbatch  micro-batches of 32 over one of 256, one rank
    saves       29 million parameters with Adam on two ranks, saved every 50 steps, over the same without saves

Above 1: the first is slower. Medians of pairs: single numbers depend on the machine's mood.
"""
import argparse
import statistics

from networks import NETWORKS, rate, train

LARGE = "3072-4096-4096-10"


def say(what, ratios):
    print(f"{what:50s} {statistics.median(ratios):6.3f}   ({min(ratios):.3f} .. {max(ratios):.3f})", flush=True)


def steps_for(arguments, name, **setting):
    samples = setting.get("samples", 64)
    return max(60, int(rate(arguments.build, name, 40, **setting) * arguments.seconds / samples))


def compare(arguments, name, what, first, second):
    """The time of a sample in the first setting over that in the second."""
    steps, ratios = steps_for(arguments, name, **second), []
    for _ in range(arguments.alternations):
        slow = rate(arguments.build, name, steps, **first)
        ratios.append(rate(arguments.build, name, steps, **second) / slow)
    say(f"{name} {what}", ratios)


def math(arguments):
    for name in NETWORKS:
        compare(arguments, name, "blas / exact", {"math": "blas"}, {"math": "exact"})


def ranks(arguments):
    """The time of a step; on two ranks it has twice the samples."""
    for name in NETWORKS:
        steps, ratios = steps_for(arguments, name), []
        for _ in range(arguments.alternations):
            one = rate(arguments.build, name, steps)
            ratios.append(rate(arguments.build, name, steps, ranks=2) / (2 * one))
        say(f"{name} 1 rank / 2 ranks", ratios)


def microbatch(arguments):
    for name in list(NETWORKS)[:3] + ["cnn"]:
        compare(arguments, name, "micro-batches of 32 / 256", {"samples": 256, "microbatch": 32},
                {"samples": 256, "microbatch": 256})


def saves(arguments):
    setting = {"ranks": 2, "samples": 256, "bind": "none", "optimizer": "adam: {}"}
    ratios = []
    for _ in range(arguments.alternations):
        with_saves = train(arguments.build, LARGE, 150, every="50st", **setting)["wall"]
        without = train(arguments.build, LARGE, 150, **setting)["wall"]
        ratios.append(with_saves / without)
    say(f"{LARGE} saved every 50 steps / never", ratios)


PARTS = {part.__name__: part for part in (math, ranks, microbatch, saves)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("build")
    parser.add_argument("--alternations", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--only", default=",".join(PARTS))
    arguments = parser.parse_args()
    for name in arguments.only.split(","):
        PARTS[name](arguments)


main()
