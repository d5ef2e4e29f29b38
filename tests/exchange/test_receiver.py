"""From the nightly line to a message in a receiving system, as docs/how-to/laboratory-system.md tells it."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import hl7
import pytest
from conftest import Command, write_cells
from hl7.mllp import HL7StreamReader, HL7StreamWriter, start_hl7_server


class Receiver:
    """A laboratory's system: it takes messages by MLLP, acknowledges and keeps them."""

    def __init__(self) -> None:
        self.messages: list[hl7.Message] = []
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Receiver":
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(start_hl7_server(self._take, "127.0.0.1", 0, encoding="utf-8"))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _take(self, reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        try:
            while True:
                message = await reader.readmessage()
                self.messages.append(message)
                writer.writemessage(message.create_ack())
                await writer.drain()
        except asyncio.IncompleteReadError:  # the sender has gone
            writer.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def test_a_nights_results_arrive_in_the_laboratorys_system(
    receiver: Receiver, command: Command, tmp_path: Path
) -> None:
    for number, name in enumerate(("26-0001", "26-0002 Müller&Söhne")):
        write_cells(tmp_path / "in" / name, 3, first_seed=10 * number)
    (tmp_path / "orders.csv").write_text("slide,accession,placer,patient\n26-0001,A4711,P1,0815\n", encoding="utf-8")
    night = ("classify", tmp_path / "in", "--out", tmp_path / "run", "--export", "hl7", "--orders")
    assert command(*night, tmp_path / "orders.csv").code == 0
    files = sorted((tmp_path / "run" / "export").glob("*.hl7"))
    for file in files:  # as the how-to's loop does
        sent = [sys.executable, "-m", "hl7.client", "--loose", "--port", str(receiver.port), "--file", str(file)]
        done = subprocess.run([*sent, "127.0.0.1"], capture_output=True, text=True, timeout=60, check=True)
        assert "MSA|AA|" in done.stdout
    first, second = receiver.messages
    assert [str(m.segment("OBR")[25]) for m in receiver.messages] == ["R", "R"]
    assert (str(first.segment("OBR")[3]), str(first.segment("PID")[3])) == ("A4711", "0815")
    assert second.unescape(str(second.segment("SPM")[2][0][1])) == "26-0002 Müller&Söhne"
    assert str(second).encode() == files[1].read_bytes()  # nothing was lost on the way
    assert {str(each[11]) for m in receiver.messages for each in m.segments("OBX")} == {"P"}
