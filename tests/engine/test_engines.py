"""The engines: the same answers from each, on whatever machine, and a cache that never does harm."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import write_cells
from numpy.typing import NDArray

from slidescreen.data.images import decode, prepare, read_bytes
from slidescreen.engine import cache, configuration, devices, gpu, openvino
from slidescreen.engine.configuration import configure, load_engines
from slidescreen.engine.devices import has_bfloat16_products
from slidescreen.engine.exactness import PrecisionAgreement
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import EngineOptions, for_each
from slidescreen.ensembles.cascade import Cascade
from slidescreen.ensembles.ensemble import ValidationResult
from slidescreen.ensembles.storage import load
from slidescreen.errors import InputError
from slidescreen.models.checkpoints import load_network
from slidescreen.models.member import member_of

EXACT = EngineConfiguration("openvino", "cpu", "fp32")
PLAIN = EngineConfiguration("pytorch", "cpu", "fp32")


@pytest.mark.parametrize("configuration", [EXACT, PLAIN])
def test_every_engine_agrees_with_the_plain_network(
    configuration: EngineConfiguration, ensemble_folder: Path, tmp_path: Path
) -> None:
    """Against timm's own model, fed as the preprocessing is documented."""
    paths = write_cells(tmp_path, 5)
    members = load(ensemble_folder).members
    for member, engine in zip(members, load_engines(members, configuration).members, strict=True):
        checkpoint, network = load_network(member.path)
        pixels = np.stack([prepare(decode(read_bytes(path)), checkpoint.preprocessing) for path in paths])
        plain = (pixels / 255 - checkpoint.preprocessing.mean) / checkpoint.preprocessing.std
        with torch.inference_mode():
            logits = network(torch.tensor(plain.transpose(0, 3, 1, 2), dtype=torch.float32))
        assert np.allclose(engine.probabilities(pixels), logits.double().softmax(1).numpy(), atol=1e-5)


def test_images_keep_their_order_whatever_the_threads(ensemble_folder: Path) -> None:
    members = load(ensemble_folder).members[:1]
    pixels = np.random.default_rng(0).integers(0, 256, (23, 64, 64, 3), dtype=np.uint8)
    one, many = (load_engines(members, EXACT, threads).members[0].probabilities(pixels) for threads in (1, 3))
    assert np.allclose(one, many, atol=1e-6)
    assert len(np.unique(one[:, 0])) == 23


def test_the_cache_spares_the_conversion_and_changes_nothing(
    ensemble_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIDESCREEN_CACHE", str(tmp_path))
    members = load(ensemble_folder).members[:1]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    notes: list[str] = []
    answers = [load_engines(members, EXACT, note=notes.append).members[0].probabilities(pixels) for _ in range(2)]
    assert len(notes) == 1
    assert np.array_equal(*answers)


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_cache_is_made_anew(
    damage: str, ensemble_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIDESCREEN_CACHE", str(tmp_path))
    members = load(ensemble_folder).members[:1]
    pixels = np.zeros((1, 64, 64, 3), np.uint8)
    expected = load_engines(members, EXACT).members[0].probabilities(pixels)
    (kept,) = cache.folder().iterdir()
    content = bytearray(kept.read_bytes())
    content[-1000] ^= 1
    kept.write_bytes({"cut": bytes(content[:5000]), "changed": bytes(content), "empty": b""}[damage])
    notes: list[str] = []
    found = load_engines(members, EXACT, note=notes.append).members[0].probabilities(pixels)
    assert len(notes) == 1
    assert np.array_equal(found, expected)


def test_the_cache_never_keeps_the_network_of_a_file_that_was_replaced_meanwhile(
    checkpoints: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIDESCREEN_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "running.safetensors"
    path.write_bytes(checkpoints[0].read_bytes())
    member = member_of(path, 1.0)
    path.write_bytes(checkpoints[1].read_bytes())
    with pytest.raises(InputError, match=r"running\.safetensors was replaced while it was read"):
        load_engines([member], EXACT, 2)
    assert not cache.folder().is_dir() or not list(cache.folder().iterdir())


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SLIDESCREEN_CACHE", str(tmp_path / "file" / "below"))
    assert cache.keep("key", b"content") is False
    assert cache.recall("key") is None


def key(number: int) -> str:
    return cache.key_of("test", number)


def test_the_cache_keeps_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIDESCREEN_CACHE", str(tmp_path))
    for number in range(16):
        assert cache.keep(key(number), str(number).encode())
        os.utime(cache.folder() / f"{key(number)}.network", (number, number))
    assert cache.recall(key(15)) == b"15"
    assert cache.recall(key(0)) is None
    assert len(list(cache.folder().iterdir())) == 12


def test_the_cache_touches_nothing_that_it_did_not_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the folder that the user names nor in its own, whatever it is and however old."""
    monkeypatch.setenv("SLIDESCREEN_CACHE", str(tmp_path))
    assert cache.keep(key(-1), b"first")
    own = cache.folder()
    foreign = [tmp_path / "thesis.docx", tmp_path / ("a" * 64), own / "notes.txt", own / ".hidden", own / ("b" * 64)]
    foreign += [tmp_path / f"{key(99)}.network", own / f"{key(98)}.network", own / f".{key(97)}.tmp"]
    for path in foreign:
        path.write_text("not the cache's")
    (own / "folder").mkdir()
    (own / f"{key(96)}.network").mkdir()
    (tmp_path / "elsewhere").write_bytes((own / f"{key(-1)}.network").read_bytes())
    (own / f"{key(95)}.network").symlink_to(tmp_path / "elsewhere")
    for path in tmp_path.rglob("*"):
        os.utime(path, (0, 0), follow_symlinks=False)
    foreign += [own / "folder", own / f"{key(96)}.network", tmp_path / "elsewhere", own / f"{key(95)}.network"]
    for number in range(20):
        assert cache.keep(key(number), b"content")
    assert [path for path in foreign if not path.exists()] == []
    assert cache.recall(key(-1)) is None  # its own made room


def test_without_a_gpu_the_processor_works_with_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "gpu_present", lambda: False)
    found = configure(EngineOptions())
    assert found == EXACT
    assert configure(EngineOptions(kind="pytorch")) == PLAIN


HARMLESS = PrecisionAgreement(2000, 0.1, 0.005, -0.002, 0.5)


@pytest.mark.parametrize(
    ("asked", "measured", "processor_has_it", "expected"),
    [
        ("auto", HARMLESS, True, "bf16"),
        ("auto", HARMLESS, False, "fp32"),
        ("auto", replace(HARMLESS, calls_changed=0.0051), True, "fp32"),
        ("auto", replace(HARMLESS, macro_f1_change=-0.0021), True, "fp32"),
        ("auto", None, True, "fp32"),
        ("bf16", None, False, "bf16"),
    ],
)
def test_bfloat16_is_chosen_unasked_where_it_is_fast_and_was_measured_to_be_harmless(
    asked: str,
    measured: PrecisionAgreement | None,
    processor_has_it: bool,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(configuration, "gpu_present", lambda: False)
    monkeypatch.setattr(openvino, "_has_bf16", lambda: processor_has_it)
    known = {} if measured is None else {"bf16": measured}
    assert configure(EngineOptions(precision=asked), ValidationResult(precisions=known)) == EngineConfiguration(
        "openvino", "cpu", expected
    )


@pytest.mark.parametrize(
    ("whole", "processor_has_it", "expected"),
    [
        (replace(HARMLESS, calls_changed=0.0051), True, "fp32+bf16"),
        (replace(HARMLESS, calls_changed=0.0051), False, "fp32"),
        (HARMLESS, True, "bf16"),
    ],
)
def test_bfloat16_in_some_members_is_chosen_where_in_all_it_does_harm(
    whole: PrecisionAgreement, processor_has_it: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configuration, "gpu_present", lambda: False)
    monkeypatch.setattr(openvino, "_has_bf16", lambda: processor_has_it)
    measured = {"bf16": whole, "fp32+bf16": HARMLESS}
    assert configure(EngineOptions(), ValidationResult(precisions=measured)) == EngineConfiguration(
        "openvino", "cpu", expected
    )


@pytest.mark.parametrize("kind", ["openvino", "pytorch"])
def test_each_member_computes_in_its_own_precision(kind: str, ensemble_folder: Path) -> None:
    members = load(ensemble_folder).members
    pixels = [
        np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
        for side in (member.checkpoint.preprocessing.image_size for member in members)
    ]

    def answers(precision: str) -> list[NDArray[np.float64]]:
        engines = load_engines(members, EngineConfiguration(kind, "cpu", precision))
        return [engine.probabilities(batch) for engine, batch in zip(engines.members, pixels, strict=True)]

    exact, rough, some = answers("fp32"), answers("bf16"), answers("fp32+bf16")
    assert not np.array_equal(exact[0], rough[0])
    assert np.array_equal(some[0], exact[0])
    assert np.array_equal(some[1], rough[1])


@pytest.mark.parametrize("precision", ["bf16", "fp16", "fp32+bf16"])
def test_pytorch_on_a_processor_rounds_as_what_was_measured_and_says_in_which_precision(
    precision: str, ensemble_folder: Path
) -> None:
    """Familiar cells are told by features in the precision that the engines name."""
    members = load(ensemble_folder).members
    found = load_engines(members, EngineConfiguration("pytorch", "cpu", precision))
    assert list(found.arithmetics) == for_each(precision, 2)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    for member, engine, own in zip(members, found.members, found.arithmetics, strict=True):
        (like,), _ = gpu.load([member.path], torch.device("cpu"), [own], batch=found.batch_size)
        assert np.allclose(engine.outputs(pixels).features, like.outputs(pixels).features, atol=1e-4)


def test_a_precision_for_another_number_of_members_is_refused(ensemble_folder: Path) -> None:
    with pytest.raises(InputError, match="is for 3 members, the ensemble has 2"):
        load_engines(load(ensemble_folder).members, EngineConfiguration("openvino", "cpu", "fp32+bf16+fp32"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "tpu"}, "--device must be one of auto, cuda, cpu, not tpu"),
        ({"kind": "onnx"}, "--engine must be one of auto, openvino, pytorch, not onnx"),
        ({"precision": "int4"}, "--precision must be one of auto, fp32, bf16, fp16, int8, not int4"),
        ({"precision": "fp32+int4"}, "--precision must be one of auto, fp32, bf16, fp16, int8, not int4"),
        ({"precision": "int8"}, "this ensemble has no 8-bit networks; make them with slidescreen ensemble --int8"),
        ({"precision": "fp32+int8"}, "this ensemble has no 8-bit networks"),
        ({"kind": "pytorch", "precision": "int8"}, "--precision int8 needs OpenVINO"),
        ({"fast": True}, "--fast: this ensemble has no fast mode; make one with slidescreen ensemble --int8"),
        ({"kind": "pytorch", "fast": True}, "--fast needs OpenVINO"),
        ({"fast": True, "precision": "int8"}, "--precision applies to the other cells only"),
        ({"precision": "auto+fp32"}, "--precision auto applies to all members: do not give it for one"),
        ({"kind": "openvino", "precision": "fp16"}, "--precision fp16 needs a GPU"),
        ({"kind": "openvino", "precision": "fp32+fp16"}, "--precision fp16 needs a GPU"),
    ],
)
def test_what_cannot_be_had_is_named(options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        configure(EngineOptions(**options))


CASCADE = Cascade(1, 0.8, 0.5, HARMLESS)


def test_8_bit_integers_are_used_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "gpu_present", lambda: False)
    monkeypatch.setattr(openvino, "has_8_bit_products", lambda: True)
    known = ValidationResult(precisions={"int8": HARMLESS, "fp32+int8": HARMLESS}, cascade=CASCADE)
    assert configure(EngineOptions(), known) == EXACT
    assert configure(EngineOptions(precision="int8"), known) == EngineConfiguration("openvino", "cpu", "int8")
    assert configure(EngineOptions(fast=True), known) == EngineConfiguration("openvino", "cpu", "fp32", cascade=CASCADE)


def test_8_bit_integers_that_change_too_much_are_refused_in_all_members_but_not_in_some_that_bear_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openvino, "has_8_bit_products", lambda: True)
    known = ValidationResult(precisions={"int8": replace(HARMLESS, calls_changed=0.013), "fp32+int8": HARMLESS})
    with pytest.raises(InputError, match=r"int8 is refused: it changes 1.3% of this ensemble's calls"):
        configure(EngineOptions(kind="openvino", precision="int8"), known)
    with pytest.raises(InputError, match="is refused"):  # not measured by itself: judged by the whole
        configure(EngineOptions(kind="openvino", precision="int8+fp32"), known)
    some = configure(EngineOptions(kind="openvino", precision="fp32+int8"), known)
    assert some == EngineConfiguration("openvino", "cpu", "fp32+int8")


@pytest.mark.parametrize("options", [{"precision": "int8"}, {"fast": True}])
def test_a_processor_without_8_bit_instructions_is_named(
    options: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ValidationResult(precisions={"int8": HARMLESS}, cascade=CASCADE)
    (tmp_path / "cpuinfo").write_text("flags\t: fpu sse4_2 avx2 avx512f\n")
    monkeypatch.setattr(devices, "_CPUINFO", tmp_path / "cpuinfo")
    with pytest.raises(InputError, match=r"no instructions for 8-bit networks \(VNNI\)"):
        configure(EngineOptions(kind="openvino", **options), known)
    (tmp_path / "cpuinfo").write_text("flags\t: fpu sse4_2 avx2 avx_vnni\n")
    assert configure(EngineOptions(kind="openvino", **options), known)
    monkeypatch.setattr(devices, "_CPUINFO", tmp_path / "absent")  # another system: it cannot be told
    assert configure(EngineOptions(kind="openvino", **options), known)


STARTING = """
import sys
from pathlib import Path
import numpy as np
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.configuration import load_engines
from slidescreen.ensembles.storage import load
engines = load_engines(load(Path(sys.argv[1])).members, EngineConfiguration("openvino", "cpu", "fp32"), 2)
for engine in engines.members:
    engine.probabilities(np.zeros((8, 64, 64, 3), np.uint8))
print("torch" in sys.modules)
"""


def test_fresh_processes_start_without_torch_and_never_hang(ensemble_folder: Path) -> None:
    load_engines(load(ensemble_folder).members, EXACT, 2)  # fills the cache
    for _ in range(8):
        ended = subprocess.run(
            [sys.executable, "-c", STARTING, str(ensemble_folder)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert ended.stdout.strip() == "False"


HELD_BACK = """
import sys
from pathlib import Path
import numpy as np
from slidescreen.engine.options import EngineOptions
from slidescreen.engine.configuration import configure, load_engines
from slidescreen.ensembles.ensemble import ValidationResult
from slidescreen.ensembles.storage import load
from slidescreen.engine.exactness import PrecisionAgreement
members = load(Path(sys.argv[1])).members[:1]
harmless = PrecisionAgreement(2000, 0.1, 0.0, 0.0, 0.0)
for precision in ("fp32", "auto"):
    known = ValidationResult(precisions={"bf16": harmless})
    configuration = configure(EngineOptions("cpu", "openvino", precision), known)
    engines = load_engines(members, configuration, 2)
    print(configuration.precision, engines.members[0].probabilities(np.zeros((2, 64, 64, 3), np.uint8))[0].argmax())
"""


@pytest.mark.skipif(not has_bfloat16_products(), reason="this processor has nothing that it could be held back from")
def test_a_processor_held_back_from_what_filled_the_cache_still_classifies(ensemble_folder: Path) -> None:
    members = load(ensemble_folder).members[:1]
    pixels = np.zeros((2, 64, 64, 3), np.uint8)
    (expected,) = {
        int(
            load_engines(members, EngineConfiguration("openvino", "cpu", precision), 2)
            .members[0]
            .probabilities(pixels)[0]
            .argmax()
        )
        for precision in ("fp32", "bf16")
    }
    ended = subprocess.run(
        [sys.executable, "-c", HELD_BACK, str(ensemble_folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": "SSE41"},
    )
    assert ended.stdout.split() == ["fp32", str(expected)] * 2


def test_bfloat16_that_would_crash_is_refused_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    with pytest.raises(InputError, match=r"bf16: ONEDNN_MAX_CPU_ISA=AVX2 keeps the processor from bfloat16"):
        configure(EngineOptions(kind="openvino", precision="fp32+bf16"))


@pytest.mark.parametrize("kept", [b"", b"no network at all"])
def test_a_kept_network_that_cannot_be_loaded_is_made_anew(
    kept: bytes, ensemble_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "recall", lambda _: kept)
    notes: list[str] = []
    (engine,) = load_engines(load(ensemble_folder).members[:1], EXACT, 2, notes.append).members
    assert engine.probabilities(np.zeros((1, 64, 64, 3), np.uint8)).shape == (1, 16)
    assert len(notes) == 1


def test_a_kept_network_that_does_not_run_is_made_anew(ensemble_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = load(ensemble_folder).members[:1]
    load_engines(members, EXACT, 2)  # fills the cache
    faults = [RuntimeError("no such instruction")]
    sound = openvino.OpenVinoEngine._infer

    def infer(engine: openvino.OpenVinoEngine, part: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        if faults:
            raise faults.pop()
        return sound(engine, part)

    monkeypatch.setattr(openvino.OpenVinoEngine, "_infer", infer)
    notes: list[str] = []
    (engine,) = load_engines(members, EXACT, 2, notes.append).members
    assert engine.probabilities(np.zeros((1, 64, 64, 3), np.uint8)).shape == (1, 16)
    assert len(notes) == 1


def test_memory_that_runs_out_over_a_kept_network_is_no_fault_of_it(
    ensemble_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = load(ensemble_folder).members[:1]
    load_engines(members, EXACT, 2)  # fills the cache
    monkeypatch.setattr(openvino, "_requests", lambda *_: (_ for _ in ()).throw(MemoryError("not even one image")))
    notes: list[str] = []
    with pytest.raises(MemoryError):
        load_engines(members, EXACT, 2, notes.append)
    assert notes == []


class Scarce:
    """A compiled network for which memory runs out after so many requests."""

    def __init__(self, enough_for: int, reason: str = "std::bad_alloc") -> None:
        self.left, self.reason = enough_for, reason

    def create_infer_request(self) -> object:
        if self.left == 0:
            raise RuntimeError(f"Exception from src/core: {self.reason}")
        self.left -= 1
        return object()


def test_where_memory_lacks_fewer_threads_classify() -> None:
    from slidescreen.engine.openvino import _requests

    assert [len(_requests(Scarce(enough), 3)) for enough in (1, 2, 3, 9)] == [1, 2, 3, 3]
    with pytest.raises(MemoryError, match="not even one image"):
        _requests(Scarce(0), 3)
    with pytest.raises(RuntimeError, match="a defect"):
        _requests(Scarce(1, "a defect"), 3)


_LET_GO_BY_ANOTHER_THREAD = """
import signal, sys, threading
from pathlib import Path
from slidescreen.engine.configuration import load_engines
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.ensembles.storage import load
engines = [load_engines(load(Path(sys.argv[1])).members, EngineConfiguration("openvino", "cpu", "fp32"), 1)]
thread = threading.Thread(target=engines.clear)
thread.start()
thread.join()
signal.signal(signal.SIGTERM, lambda *_: print("heeded"))
signal.raise_signal(signal.SIGTERM)
"""


def test_a_signal_after_another_thread_let_go_of_the_engines_is_heeded(ensemble_folder: Path) -> None:
    """OpenVINO's plugin, once unloaded, leaves the main thread with a signal stack that is no longer there."""
    command = [sys.executable, "-c", _LET_GO_BY_ANOTHER_THREAD, str(ensemble_folder)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (outcome.returncode, outcome.stdout) == (0, "heeded\n"), outcome.stderr
