"""What scalars say of their tags: kept beside the columns, by the store and by the index."""

from __future__ import annotations

from pathlib import Path

import tallyboard as tb
from tallyboard.core.reader import LogdirReader
from tallyboard.core.record import frame
from tallyboard.core.store import Label, Store


def write(logdir: Path) -> None:
    with tb.SummaryWriter(logdir / "a") as writer:
        for step in range(3):
            writer.add_scalar("plain", step, step)
            writer.add_scalar("tensor", step, step, new_style=True)
            writer.add_scalar("both", step, step, display_name="Both", summary_description="*what* it is")
            writer.add_scalar("described", step, step, new_style=True, summary_description="only this")
            # the first value's word stands, whatever later ones say
            writer.add_scalar("changed", step, step, display_name=f"Name {step}")
            writer.add_scalar("late", step, step, **({"display_name": "too late"} if step else {}))
    with tb.SummaryWriter(logdir / "b") as writer:
        writer.add_scalar("both", 1.0, 0, display_name="In b")


LABELS = {
    ("a", "tensor"): Label(),
    ("a", "both"): Label("Both", "*what* it is"),
    ("a", "described"): Label("", "only this"),
    ("a", "changed"): Label("Name 0"),
    ("b", "both"): Label("In b"),
}


def test_the_first_value_names_its_tag(tmp_path: Path) -> None:
    """Name and description are those of a tag's first value in its run; of plain numbers nothing is kept."""
    write(tmp_path)
    reader = LogdirReader(tmp_path)
    reader.poll()

    assert reader.store.overview().labels == LABELS


def test_names_outlive_the_process(tmp_path: Path) -> None:
    """A start from the index has them too, without reading an event."""
    write(tmp_path / "logdir")
    first = LogdirReader(tmp_path / "logdir", cache=tmp_path / "cache")
    first.poll()
    assert first.save()

    second = LogdirReader(tmp_path / "logdir", cache=tmp_path / "cache")
    second.poll()

    assert second.unsaved == 0  # no event was read
    assert second.store.overview().labels == LABELS


def test_growth_changes_no_name(tmp_path: Path) -> None:
    """Values that come in a later batch leave the name as it is."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", 1.0, 0, display_name="Loss")
        writer.flush()
        reader = LogdirReader(tmp_path)
        reader.poll()
        writer.add_scalar("loss", 2.0, 1, display_name="Other")
        writer.add_scalar("new", 2.0, 1, display_name="New")
        writer.flush()
        reader.poll()

    assert reader.store.overview().labels == {(".", "loss"): Label("Loss"), (".", "new"): Label("New")}
    series = reader.store.scalars(".", "loss")
    assert series is not None
    assert series.value.tolist() == [1.0, 2.0]


def test_what_is_parsed_one_by_one_has_names_too(tmp_path: Path) -> None:
    """A value that bulk decoding leaves alone says as much of its tag as any other."""
    from tallyboard.core.proto import event_pb2 as pb

    event = pb.Event(wall_time=1.0, step=2)
    value = event.summary.value.add(tag="odd", simple_value=3.0)
    value.metadata.display_name = "Odd"
    value.metadata.summary_description = "one of two"
    event.summary.value.add(tag="picture").image.encoded_image_string = b"x"  # no event of scalars alone
    (tmp_path / "events.out.tfevents.1").write_bytes(frame(event.SerializeToString()))
    reader = LogdirReader(tmp_path)
    reader.poll()

    assert reader.store.overview().labels == {(".", "odd"): Label("Odd", "one of two")}


def test_a_store_without_names_has_none() -> None:
    """What is offered without a name has none."""
    store = Store()
    store.offer_run("a")
    store.publish("ready")
    assert store.overview().labels == {}


def test_a_run_began_with_its_first_event(tmp_path: Path) -> None:
    """The time of a run's first event is kept, values or not, and outlives the process."""
    with tb.SummaryWriter(tmp_path / "logdir" / "a") as writer:
        writer.add_scalar("loss", 1.0, 0, walltime=5.0)
    file = next((tmp_path / "logdir" / "a").iterdir())
    name = file.name.split(".")[3]
    for start in ("logdir", "logdir"):
        reader = LogdirReader(tmp_path / start, cache=tmp_path / "cache")
        reader.poll()
        reader.save()
        (run,) = reader.store.runs()
        assert run.first_wall_time == 5.0
        assert run.began is not None
        assert abs(run.began - float(name)) < 120


def test_later_words_are_not_kept(tmp_path: Path) -> None:
    """A description that is another one in each event takes no memory but the first one's."""
    with tb.SummaryWriter(tmp_path) as writer:
        reader = LogdirReader(tmp_path)
        for step in range(40):
            writer.add_scalar("loss", step, step, summary_description=f"{step:03}")
            writer.flush()
            reader.poll()

    assert reader.store.overview().labels == {(".", "loss"): Label("", "000")}
    assert len(reader._ingest._decoder.labels) < 15
    series = reader.store.scalars(".", "loss")
    assert series is not None
    assert len(series) == 40
