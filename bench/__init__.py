"""The bench: what a request costs each server, beside servers that others have written.

    python -m bench                                   all eight references and every peer that is there
    python -m bench 02,05,08 --submission DIR         three steps, DIR/NN_name/server.py beside the reference

It answers with ratios in the same run, not with verdicts: no grade rests on it.
"""


class CannotMeasure(Exception):
    """There is nothing to measure, or nothing to measure it with; the text says in a line what to do."""
