"""Draw the packages of index/ and of service/ as floors, from their imports: docs/packages-*.svg.

    python scripts/tools/draw_packages.py

A package stands above every package that it imports. A box holds the package's name, the first sentence of its
docstring, and its direct imports, without those that another of its imports has already. A coloured edge marks
packages that a web worker (`service.wsgi`) loads. docs/architecture.md shows the pictures; a test draws them again.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HALVES = ("index", "service")
WEB_WORKER = "service.wsgi"

Graph = dict[str, set[str]]

WIDTH, GAP, PADDING = 960, 10, 12
NAME_SIZE, TEXT_SIZE, LINE_HEIGHT = 15, 13, 18
CHARACTER_WIDTH = 0.53  # of the font size: the mean of a system sans-serif, rounded up
NAME_COLUMN, USES_COLUMN = 140, 230  # of a box that has a floor to itself

STYLE = """
    text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
    .name { font: 600 15px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
    .uses { fill: #59636e }
    .box { fill: #f6f8fa; stroke: #d1d9e0 }
    .web { fill: #0969da }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc }
      .uses { fill: #9198a1 }
      .box { fill: #151b23; stroke: #3d444d }
      .web { fill: #4493f8 }
    }
"""


def module_imports(root: Path = ROOT) -> Graph:
    """The modules of index/ and service/ that each of their modules imports, other than for its types alone."""
    paths = {_module_name(path, root): path for half in HALVES for path in sorted((root / half).rglob("*.py"))}
    trees = {module: ast.parse(path.read_text("utf-8")) for module, path in paths.items()}
    return {module: {name for name in _imported(tree) if name in paths} for module, tree in trees.items()}


def package_imports(modules: Graph, half: str) -> Graph:
    """The packages (and single modules) directly in `half` that each of them imports."""
    packages: Graph = {}
    for module, imported in modules.items():
        if (package := package_of(module, half)) is not None:
            others = {package_of(name, half) for name in imported} - {package, None}
            packages.setdefault(package, set()).update(name for name in others if name is not None)
    return packages


def package_of(module: str, half: str) -> str | None:
    """The package or module directly in `half` that holds `module`; None for any other."""
    first, _, rest = module.partition(".")
    return rest.partition(".")[0] if first == half and rest else None


def reachable(graph: Graph, start: str) -> set[str]:
    """The nodes that `start` leads to, without itself."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - seen
        seen |= new
        waiting.extend(new)
    return seen - {start}


def essential(graph: Graph) -> Graph:
    """The graph without edges that a longer path replaces (its transitive reduction)."""
    beyond = {node: reachable(graph, node) for node in graph}
    return {
        node: {target for target in targets if not any(target in beyond[other] for other in targets - {target})}
        for node, targets in graph.items()
    }


def floors(graph: Graph) -> list[list[str]]:
    """The nodes by floor, the highest first: each node on the lowest floor that is above all it imports."""
    height: dict[str, int] = {}

    def measure(node: str) -> int:
        if node not in height:
            height[node] = 1 + max((measure(target) for target in graph[node]), default=-1)
        return height[node]

    for node in sorted(graph):
        measure(node)
    return [sorted(node for node in graph if height[node] == floor) for floor in range(max(height.values()), -1, -1)]


def purpose(half: str, package: str, root: Path = ROOT) -> str:
    """The first sentence of the docstring of a package, or of a module directly in `half`."""
    path = root / half / package / "__init__.py"
    if not path.exists():
        path = root / half / f"{package}.py"
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    sentence = re.split(r"(?<!\.)\.\s", " ".join(text.split("\n\n")[0].split()))[0]
    return sentence.rstrip(".").replace("`", "")


def loaded_by_web_workers(modules: Graph, half: str) -> set[str]:
    """The packages of `half` of which a web worker loads at least one module."""
    loaded = {package_of(module, half) for module in {WEB_WORKER, *reachable(modules, WEB_WORKER)}}
    return {package for package in loaded if package is not None}


def picture(half: str, root: Path = ROOT) -> str:
    """The SVG of one half."""
    modules = module_imports(root)
    graph = package_imports(modules, half)
    uses, marked = essential(graph), loaded_by_web_workers(modules, half)
    parts: list[str] = []
    y = GAP
    for floor in floors(graph):
        texts = {package: (purpose(half, package, root), ", ".join(sorted(uses[package]))) for package in floor}
        drawn, height = _floor(texts, marked, y)
        parts += drawn
        y += height + GAP
    title = f"The packages of {half}/, each above those that it imports"
    body = "\n  ".join(parts)
    size = f'viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n'
        f"  <title>{title}</title>\n  <style>{STYLE}  </style>\n  {body}\n</svg>\n"
    )


def _floor(texts: dict[str, tuple[str, str]], marked: set[str], y: int) -> tuple[list[str], int]:
    """The boxes of the packages of one floor, side by side from `y` down, and their height."""
    width = (WIDTH - GAP * (len(texts) + 1)) / len(texts)
    draw = _wide_box if len(texts) == 1 else _narrow_box
    lefts = {package: GAP + column * (width + GAP) for column, package in enumerate(texts)}
    boxes = {package: draw(package, *texts[package], x, y, width) for package, x in lefts.items()}
    height = max(height for _, height in boxes.values())
    parts: list[str] = []
    for package, x in lefts.items():
        parts.append(f'<rect class="box" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" rx="6"/>')
        if package in marked:
            parts.append(f'<rect class="web" x="{x:.1f}" y="{y + 6}" width="4" height="{height - 12}" rx="2"/>')
        parts.append(boxes[package][0])
    return parts, height


def _wide_box(package: str, text: str, uses: str, x: float, y: int, width: float) -> tuple[str, int]:
    """The texts of a box that has a floor to itself, side by side, and its height."""
    columns = NAME_COLUMN, width - NAME_COLUMN - USES_COLUMN - 2 * PADDING, USES_COLUMN
    text_lines = _wrapped(text, columns[1])
    uses_lines = _wrapped(f"uses {uses}", columns[2]) if uses else []
    top = y + PADDING + NAME_SIZE
    left = x + PADDING
    parts = [_lines([package], left, top, "name")]
    parts.append(_lines(text_lines, left + columns[0], top))
    parts.append(_lines(uses_lines, left + columns[0] + columns[1] + PADDING, top, "uses"))
    height = 2 * PADDING + LINE_HEIGHT * max(len(text_lines), len(uses_lines), 1)
    return "\n  ".join(part for part in parts if part), height


def _narrow_box(package: str, text: str, uses: str, x: float, y: int, width: float) -> tuple[str, int]:
    """The texts of a box among others, one under another, and its height."""
    text_lines = _wrapped(text, width - 2 * PADDING)
    uses_lines = _wrapped(f"uses {uses}", width - 2 * PADDING) if uses else []
    top = y + PADDING + NAME_SIZE
    parts = [_lines([package], x + PADDING, top, "name")]
    parts.append(_lines(text_lines, x + PADDING, top + LINE_HEIGHT + 2))
    parts.append(_lines(uses_lines, x + PADDING, top + 4 + LINE_HEIGHT * (1 + len(text_lines)), "uses"))
    height = 2 * PADDING + 6 + LINE_HEIGHT * (1 + len(text_lines) + len(uses_lines))
    return "\n  ".join(part for part in parts if part), height


def _wrapped(text: str, width: float) -> list[str]:
    return textwrap.wrap(text, max(int(width / (TEXT_SIZE * CHARACTER_WIDTH)), 8), break_long_words=False)


def _lines(lines: list[str], x: float, y: float, style: str = "") -> str:
    attribute = f' class="{style}"' if style else ""
    return "\n  ".join(
        f'<text{attribute} x="{x:.1f}" y="{y + LINE_HEIGHT * number:.1f}">{escape(line)}</text>'
        for number, line in enumerate(lines)
    )


def _module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(tree: ast.AST) -> Iterator[str]:
    """Every name that a module's imports may load as a module."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from _imported(node)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write both pictures."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(
        arguments
    )
    for half in HALVES:
        (ROOT / "docs" / f"packages-{half}.svg").write_text(picture(half), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
