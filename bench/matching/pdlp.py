"""Solves one linear program with OR-Tools' PDLP, in a process of its own: it gets a file and writes one.

`python -m bench.matching.pdlp IN.npz OUT.npz`. In: pool, cost, used [N, kept] (pool -1: no more), outside [N],
capacity [M], prices [M] to begin with, tolerance. Out: prices [M], and the values of both programs.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from ortools.pdlp import solve_log_pb2, solvers_pb2
from ortools.pdlp.python import pdlp
from scipy.sparse import csc_matrix


def solve(given: Any) -> dict[str, Any]:  # noqa: ANN401 - a file of arrays
    """The program: share of each demand at each listed pool; not serving is what is left of it."""
    pool, used, outside, capacity = given["pool"], given["used"], given["outside"], given["capacity"]
    demands, pools = len(outside), len(capacity)
    there = pool >= 0
    of = np.nonzero(there)[0]
    # rows in units of a mean demand and of a pool's room: entries near one need little rescaling
    shares = np.column_stack([np.ones(len(of)), used[there] / capacity[pool[there]]])
    rows = np.column_stack([of, demands + pool[there]]).astype(np.int32)
    starts = np.arange(0, 2 * len(of) + 1, 2, dtype=np.int64)
    scale = float(outside.mean())
    program = pdlp.QuadraticProgram()
    program.resize_and_initialize(len(of), demands + pools)
    program.objective_vector = (given["cost"][there] - outside[of]) / scale
    program.constraint_lower_bounds = np.full(demands + pools, -np.inf)
    program.constraint_upper_bounds = np.ones(demands + pools)
    program.variable_lower_bounds = np.zeros(len(of))
    program.variable_upper_bounds = np.full(len(of), np.inf)
    program.constraint_matrix = csc_matrix((shares.ravel(), rows.ravel(), starts), shape=(demands + pools, len(of)))
    begin = pdlp.PrimalAndDualSolution()
    begin.primal_solution = given["share"][there]
    begin.dual_solution = -np.concatenate([(outside - given["least"]), given["prices"] * capacity]) / scale
    found = pdlp.primal_dual_hybrid_gradient(program, _parameters(given), begin)
    log = found.solve_log
    prices = np.maximum(-found.dual_solution[demands:], 0.0) * scale / capacity
    last = log.solution_stats.convergence_information[0]
    return {
        "prices": prices,
        "primal": last.primal_objective * scale + outside.sum(),
        "dual": last.dual_objective * scale + outside.sum(),
        "reason": solve_log_pb2.TerminationReason.Name(log.termination_reason),
    }


def _parameters(given: Any) -> Any:  # noqa: ANN401 - a generated class
    tolerance = float(given["tolerance"])
    parameters = solvers_pb2.PrimalDualHybridGradientParams()
    parameters.termination_criteria.simple_optimality_criteria.eps_optimal_relative = tolerance
    parameters.termination_criteria.simple_optimality_criteria.eps_optimal_absolute = tolerance
    parameters.termination_criteria.time_sec_limit = float(given["seconds"])
    parameters.num_threads = 1
    return parameters


def main() -> None:
    """One program."""
    with np.load(Path(sys.argv[1])) as given:
        out = solve(given)
    np.savez(Path(sys.argv[2]), **out)


if __name__ == "__main__":
    main()
