import pytest
from starlette.datastructures import Headers

from serve_app.protocols.controls import Controls, controls_of
from workflows.errors import RequestInvalid

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def controls(**headers: str) -> Controls:
    return controls_of(Headers({name.replace("_", "-"): value for name, value in headers.items()}))


def test_no_header_leaves_everything_to_the_workflow() -> None:
    assert controls() == Controls(panel=None, depth=0, traceparent="")


def test_every_wish_is_read() -> None:
    assert controls(X_Stellarator_Fusion="Always", x_stellarator_depth="1", traceparent=TRACEPARENT) == (
        Controls(panel="always", depth=1, traceparent=TRACEPARENT)
    )


@pytest.mark.parametrize("value", ["", "sometimes"])
def test_an_unknown_panel_mode_names_the_header(value: str) -> None:
    with pytest.raises(RequestInvalid, match=r"x-stellarator-fusion: must be one of auto, always, never"):
        controls(x_stellarator_fusion=value)


@pytest.mark.parametrize("value", ["", "-1", "1.5", "a", "99999"])
def test_a_depth_that_is_no_small_number_names_the_header(value: str) -> None:
    with pytest.raises(RequestInvalid, match="x-stellarator-depth"):
        controls(x_stellarator_depth=value)


def test_a_malformed_traceparent_is_as_if_it_had_not_been_sent() -> None:
    assert controls(traceparent="00-zz").traceparent == ""


def test_progress_is_as_the_server_says_unless_the_header_says_otherwise() -> None:
    assert controls_of(Headers(), progress=True).progress
    assert not controls_of(Headers({"x-stellarator-progress": "off"}), progress=True).progress
    assert controls_of(Headers({"x-stellarator-progress": "On"}), progress=False).progress


def test_an_unknown_wish_about_progress_names_the_header() -> None:
    with pytest.raises(RequestInvalid, match=r"x-stellarator-progress: must be one of on, off"):
        controls(x_stellarator_progress="maybe")
