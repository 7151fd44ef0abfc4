#!/usr/bin/env python3
"""Builds and solves a problem file with PuLP and CBC, as HAWQ does.

    bench_search PROBLEM.json
    python tests/peers/search_pulp.py PROBLEM.json
    bench_growth problem PROBLEM.json GROUPS CANDIDATES BUDGETS SEED
    python tests/peers/search_pulp.py PROBLEM.json SEED     a line for its table

Measured with pulp 3.3.2 and the CBC it brings. Reading the file is not in the
time; building the model, writing it for CBC and solving it are.
SPDX-License-Identifier: GPL-3.0-or-later
"""
import json
import resource
import statistics
import sys
import time

import pulp

REPEATS = 5


LIMIT_S = 60  # where a line of the table is asked for


def solve(problem, limit=None):
    model = pulp.LpProblem("allocation", pulp.LpMinimize)
    layers = problem["layers"]
    pairs = [(l, c) for l, layer in enumerate(layers)
             for c in range(len(layer["candidates"]))]
    x = pulp.LpVariable.dicts("x", pairs, cat="Binary")
    candidate = {(l, c): layers[l]["candidates"][c] for l, c in pairs}
    model += pulp.lpSum(candidate[k]["loss"] * x[k] for k in pairs)
    for l, layer in enumerate(layers):
        model += pulp.lpSum(x[l, c]
                            for c in range(len(layer["candidates"]))) == 1
    for kind, limit in problem["budgets"].items():
        model += pulp.lpSum(candidate[k]["cost"][kind] * x[k]
                            for k in pairs) <= limit
    # CBC's default stops within a gap; HAWQ proves
    model.solve(pulp.PULP_CBC_CMD(msg=False, gapRel=0, gapAbs=0,
                                  timeLimit=limit))
    return pulp.LpStatus[model.status], pulp.value(model.objective)


def processor():
    """Seconds of processor time, of this program and of CBC."""
    return sum(use.ru_utime + use.ru_stime
               for use in (resource.getrusage(resource.RUSAGE_SELF),
                           resource.getrusage(resource.RUSAGE_CHILDREN)))


def line(problem, seed):
    layers = problem["layers"]
    start, before = time.perf_counter(), processor()
    status, _ = solve(problem, LIMIT_S)
    taken = processor() - before
    proven = status == "Optimal" and time.perf_counter() - start < LIMIT_S
    print("PuLP+CBC", len(layers), len(layers[0]["candidates"]),
          len(problem["budgets"]), seed, f"{1e3 * taken:.4f}",
          "optimal" if proven else "feasible", "0" if proven else "",
          sep="\t")


def main():
    with open(sys.argv[1]) as file:
        problem = json.load(file)
    if len(sys.argv) > 2:
        line(problem, sys.argv[2])
        return
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        status, objective = solve(problem)
        times.append(time.perf_counter() - start)
    print(f"PuLP {pulp.__version__} + CBC: {1e3 * statistics.median(times):.3f}"
          f" ms ({1e3 * min(times):.3f} ... {1e3 * max(times):.3f},"
          f" {REPEATS} times)  {status} {objective:.12g}")


main()
