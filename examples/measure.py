"""The demo's application, and the first example: it measures Python source, and has four handlers that misbehave.

Run it by itself:

    rrqmp run --app measure:engine --redis-url embedded:
    rrqmp execute measure '{"path": "measure.py"}' --queue demo --wait --redis-url embedded:
"""

from __future__ import annotations

import ast
import ctypes
import itertools
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rrqmp import WorkerEngine

Function = ast.FunctionDef | ast.AsyncFunctionDef

# What makes a second way through a function, one each; `and`, `or` and comprehensions are counted apart.
BRANCHES = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case, ast.Assert)


@dataclass(frozen=True)
class Source:
    """A file to measure."""

    path: str


@dataclass(frozen=True)
class Measures:
    """What one module is made of; `fault` says why a file is no Python of this interpreter."""

    lines: int = 0
    functions: int = 0
    classes: int = 0
    complexity: int = 0
    longest: str = ""
    longest_lines: int = 0
    hardest: str = ""
    hardest_complexity: int = 0
    fault: str = ""


def inner_nodes(function: Function) -> Iterator[ast.AST]:
    """All nodes of a function's body but those of functions inside it, which are measured by themselves."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Function):
            waiting.extend(ast.iter_child_nodes(node))


def complexity(function: Function) -> int:
    """Cyclomatic complexity: the number of independent ways through the function."""
    ways = 1
    for node in inner_nodes(function):
        if isinstance(node, BRANCHES):
            ways += 1
        elif isinstance(node, ast.BoolOp):
            ways += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            ways += 1 + len(node.ifs)
    return ways


def length(function: Function) -> int:
    """Lines from `def` to the last one."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def measure_text(text: bytes) -> Measures:
    """Parses and measures the source of one module."""
    lines = text.count(b"\n")
    with warnings.catch_warnings():
        # Old files of the library hold escapes that newer Pythons warn of.
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError) as error:
            return Measures(lines=lines, fault=f"{type(error).__name__}: {error}")
    nodes = list(ast.walk(tree))
    functions = [node for node in nodes if isinstance(node, Function)]
    if not functions:
        return Measures(lines=lines, classes=sum(isinstance(node, ast.ClassDef) for node in nodes))
    longest = max(functions, key=length)
    ways = {function: complexity(function) for function in functions}
    hardest = max(functions, key=ways.__getitem__)
    return Measures(
        lines=lines,
        functions=len(functions),
        classes=sum(isinstance(node, ast.ClassDef) for node in nodes),
        complexity=sum(ways.values()),
        longest=longest.name,
        longest_lines=length(longest),
        hardest=hardest.name,
        hardest_complexity=ways[hardest],
    )


engine = WorkerEngine(queue_name="demo")


@engine.activity("measure", timeout=30)
def measure(source: Source) -> Measures:
    """One file of real work: read, parse, walk."""
    return measure_text(Path(source.path).read_bytes())


@engine.activity("spin_in_python", timeout=2, max_retries=0)
def spin_in_python(_: None) -> None:
    """Never ends; a signal would reach it."""
    while True:
        pass


@engine.activity("spin_in_c", timeout=2, max_retries=0)
def spin_in_c(_: None) -> int:
    """Never ends, holds the interpreter lock and looks at no signal: no Python code can stop it."""
    return sum(itertools.repeat(0))


@engine.activity("crash", timeout=2)
def crash(_: None) -> None:
    """Reads where no memory is: the interpreter dies of a segmentation fault."""
    ctypes.string_at(0)


@engine.activity("leave", timeout=2)
def leave(_: None) -> None:
    """Ends the process behind everybody's back."""
    os._exit(1)


if __name__ == "__main__":
    engine.start()
