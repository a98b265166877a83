import socket

import pytest

from serve_app.cli.room import free_port, require_free
from workflows.errors import SetupInvalid


def test_a_free_port_is_free() -> None:
    require_free("127.0.0.1", free_port("127.0.0.1"))


def test_a_taken_port_is_told_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(SetupInvalid, match=rf"Port {port} on 127.0.0.1 is taken .* --port"):
            require_free("127.0.0.1", port)


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(SetupInvalid, match=r"203\.0\.113\.7:8000 cannot be listened on"):
        require_free("203.0.113.7", 8000)


def test_a_name_that_means_no_address_is_told() -> None:
    with pytest.raises(SetupInvalid, match="cannot be listened on"):
        require_free("no such host", 8000)
