"""What counts as training time."""

from __future__ import annotations

import time

from gan_lab.callbacks.clock import Seconds


def test_time_begins_with_the_first_step_and_stands_while_paused(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    seconds = Seconds(10.0)
    clock[0] = 105.0
    with seconds.paused():
        clock[0] = 107.0
    assert seconds() == 10.0
    seconds.on_train_start(None, None)
    clock[0] = 110.0
    assert seconds() == 13.0
    with seconds.paused():
        clock[0] = 160.0
    clock[0] = 161.0
    assert seconds() == 14.0
