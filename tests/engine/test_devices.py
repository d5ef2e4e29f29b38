"""Which processors there are, and what of them may be used."""

import os
from pathlib import Path

import pytest

from slidescreen.engine import devices, quota

V2 = "31 23 0:28 {root} {mounted} rw,relatime - cgroup2 cgroup2 rw"
V1 = "32 31 0:29 {root} {mounted} rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct"
OTHER = "33 31 0:30 / {mounted}/memory rw,relatime - cgroup cgroup rw,memory\n34 31 0:31 / /proc rw - proc proc rw"


class Groups:
    """Control groups in files of their own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.mounts = [OTHER.format(mounted=folder)]
        (folder / "self").mkdir()
        monkeypatch.setattr(quota, "_PROCESS", folder / "self")
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)

    def mount(self, line: str, name: str, root: str = "/") -> None:
        mounted = str(self.folder / name).replace(" ", "\\040")
        self.mounts.append(line.format(root=root, mounted=mounted))
        (self.folder / "self" / "mountinfo").write_text("\n".join(self.mounts))

    def of_process(self, *lines: str) -> None:
        (self.folder / "self" / "cgroup").write_text("\n".join(lines) + "\n")

    def write(self, path: str, content: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(content + "\n")


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Groups:
    return Groups(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("limit", "threads"),
    [
        ("max 100000", 16), ("400000 100000", 4), ("150000 100000", 2), ("100001 100000", 2), ("20000 100000", 1),
        ("50000 25000", 2), ("9900000 100000", 16), ("-1 100000", 16), ("", 16), ("spoilt", 16), ("100000", 16),
    ],
)  # fmt: skip
def test_a_containers_quota_counts(limit: str, threads: int, groups: Groups) -> None:
    groups.mount(V2, "unified")
    groups.of_process("0::/")
    groups.write("unified/cpu.max", limit)
    assert devices.usable_threads() == threads


def test_the_least_quota_on_the_way_up_counts(groups: Groups) -> None:
    groups.mount(V2, "unified")
    groups.of_process("0::/night.slice/run.scope")
    groups.write("unified/night.slice/run.scope/cpu.max", "max 100000")
    groups.write("unified/night.slice/cpu.max", "300000 100000")
    groups.write("unified/another.slice/cpu.max", "100000 100000")
    assert devices.usable_threads() == 3
    groups.write("unified/night.slice/run.scope/cpu.max", "200000 100000")
    assert devices.usable_threads() == 2


def test_a_quota_of_the_first_version_counts(groups: Groups) -> None:
    groups.mount(V1, "cpu,cpuacct")
    groups.of_process("5:memory:/elsewhere", "4:cpuacct,cpu:/docker/1f", "0::/")
    groups.write("cpu,cpuacct/docker/1f/cpu.cfs_quota_us", "250000")
    groups.write("cpu,cpuacct/docker/1f/cpu.cfs_period_us", "100000")
    groups.write("cpu,cpuacct/cpu.cfs_quota_us", "-1")
    groups.write("cpu,cpuacct/cpu.cfs_period_us", "100000")
    assert devices.usable_threads() == 3


def test_a_container_that_sees_only_its_own_group_finds_it(groups: Groups) -> None:
    """Docker mounts a container's group as the root, under the name that the system outside knows it by."""
    groups.mount(V1, "a place/cpu", root="/docker/1f")
    groups.of_process("4:cpu,cpuacct:/docker/1f/inner")
    groups.write("a place/cpu/cpu.cfs_quota_us", "200000")
    groups.write("a place/cpu/cpu.cfs_period_us", "100000")
    assert devices.usable_threads() == 2
    groups.of_process("4:cpu,cpuacct:/another/name")
    assert devices.usable_threads() == 2


def test_both_versions_at_once_and_a_group_above_the_root_are_understood(groups: Groups) -> None:
    groups.mount(V1, "cpu")
    groups.mount(V2, "unified")
    groups.of_process("4:cpu:/", "0::/../..")
    groups.write("unified/cpu.max", "600000 100000")
    assert devices.usable_threads() == 6
    groups.write("cpu/cpu.cfs_quota_us", "500000")
    groups.write("cpu/cpu.cfs_period_us", "100000")
    assert devices.usable_threads() == 5


def test_without_control_groups_the_affinity_counts_alone(groups: Groups, monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.usable_threads() == 16
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    groups.mount(V2, "unified")
    groups.of_process("0::/")
    groups.write("unified/cpu.max", "400000 100000")
    assert devices.usable_threads() == 2


@pytest.mark.parametrize("wrong", ["", "a b c", "1 2 3 4 5 6 - cgroup2", "x" * 500])
def test_a_system_that_tells_it_otherwise_limits_nothing(wrong: str, groups: Groups) -> None:
    groups.of_process("nonsense", "0::", "7:cpu")
    (groups.folder / "self" / "mountinfo").write_text(wrong)
    assert devices.usable_threads() == 16


SERVER = "avx2 avx512f avx512_vnni avx512_bf16"
DESKTOP = "avx2 avx_vnni avx_ne_convert"


@pytest.mark.parametrize(
    ("flags", "told", "bfloat16", "emulated", "integers"),
    [
        (SERVER, "", True, True, True),
        (SERVER, "ALL", True, True, True),
        (SERVER, "no such level", True, True, True),
        (SERVER, "AVX512_CORE_BF16", True, True, True),
        (SERVER, "AVX512_CORE_AMX", True, True, True),
        (SERVER, "AVX512_CORE_VNNI", False, True, True),
        (SERVER, "AVX512_CORE", False, True, False),
        (SERVER, "AVX2_VNNI", False, False, False),
        (SERVER, "AVX2", False, False, False),
        (SERVER, "avx2", False, False, False),
        (SERVER, "SSE41", False, False, False),
        (DESKTOP, "", False, True, True),
        (DESKTOP, "AVX2_VNNI", False, False, True),
        (DESKTOP, "AVX512_CORE_VNNI", False, False, False),
        ("avx2 avx512f", "", False, True, False),
        ("avx2", "", False, False, False),
        ("asimddp bf16", "", True, False, True),
        (None, "", True, True, True),
        (None, "AVX2", False, False, False),
    ],
)
def test_a_processor_that_is_held_back_can_do_less(
    flags: str | None,
    told: str,
    bfloat16: bool,
    emulated: bool,
    integers: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "_CPUINFO", tmp_path / "cpuinfo")
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: fpu {flags}\nbugs\t: spectre_v1\n")
    monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", told)
    found = devices.has_bfloat16_products(), devices.has_bfloat16(), devices.has_8_bit_products()
    assert found == (bfloat16, emulated, integers)


def test_the_older_name_of_the_setting_counts_where_the_newer_one_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DNNL_MAX_CPU_ISA", "SSE41")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    assert devices.held_back() == "DNNL_MAX_CPU_ISA=SSE41"
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert devices.held_back() == "ONEDNN_MAX_CPU_ISA=AVX2"
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "ALL")
    assert devices.held_back() == ""


def test_processors_of_one_machine_that_differ_may_do_what_all_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text("flags\t: avx2 avx512_vnni\n\nflags\t: avx2\n")
    monkeypatch.setattr(devices, "_CPUINFO", tmp_path / "cpuinfo")
    assert not devices.has_8_bit_products()


def test_what_decides_on_instructions_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_CPUINFO", tmp_path / "cpuinfo")
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_CPU_ISA_HINTS"):
        monkeypatch.delenv(name, raising=False)
    seen = set()
    for flags in ("avx2", "avx2 avx512f"):
        (tmp_path / "cpuinfo").write_text(f"flags\t: {flags}\n")
        for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_CPU_ISA_HINTS"):
            seen.add(devices.instructions())
            monkeypatch.setenv(name, "PREFER_YMM" if "HINTS" in name else "AVX2")
            seen.add(devices.instructions())
            monkeypatch.delenv(name)
    assert len(seen) == 8
    (tmp_path / "cpuinfo").write_text("flags\t: avx512f avx2\n")
    assert devices.instructions() in seen
