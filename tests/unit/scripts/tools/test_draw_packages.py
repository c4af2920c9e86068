"""Floors and edges of the package pictures."""

from __future__ import annotations

from pathlib import Path

from scripts.tools.draw_packages import essential, floors, loaded_by_web_workers, module_imports, purpose

GRAPH = {"app": {"api", "store"}, "api": {"store"}, "backups": {"store"}, "store": set()}


def test_a_package_stands_above_all_that_it_imports() -> None:
    assert floors(GRAPH) == [["app"], ["api", "backups"], ["store"]]


def test_an_import_that_another_import_leads_to_is_left_out() -> None:
    assert essential(GRAPH) == {"app": {"api"}, "api": {"store"}, "backups": {"store"}, "store": set()}


def test_imports_for_types_alone_and_names_in_modules_are_no_edges(tmp_path: Path) -> None:
    for path, text in {
        "index/table.py": "",
        "index/text/__init__.py": '"""Cuts text. More."""',
        "index/text/cut.py": "",
        "service/wsgi.py": "from index.text import cut\nif TYPE_CHECKING:\n    import index.table\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    modules = module_imports(tmp_path)
    assert modules["service.wsgi"] == {"index.text", "index.text.cut"}
    assert loaded_by_web_workers(modules, "index") == {"text"}
    assert purpose("index", "text", tmp_path) == "Cuts text"
