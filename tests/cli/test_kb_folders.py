from pathlib import Path

from glia.cli.kb import files_below


def test_a_folder_keeps_its_structure_below_its_own_name(tmp_path: Path) -> None:
    root = tmp_path / "handbook"
    (root / "travel").mkdir(parents=True)
    (root / ".git").mkdir()
    for name in ("a.txt", "travel/b.txt", ".git/c.txt", ".hidden"):
        (root / name).write_text("x")
    (tmp_path / "secret.txt").write_text("x")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")

    found = files_below((tmp_path / "secret.txt", root))

    assert [(file.name, folder) for file, folder in found] == [
        ("secret.txt", ""),
        ("a.txt", "handbook"),
        ("b.txt", "handbook/travel"),
    ]
