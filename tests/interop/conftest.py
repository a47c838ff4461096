"""What the files of this folder share."""

import pytest


@pytest.fixture(scope="module")
def one_thread():
    """For models as small as some here are, torch's threads cost far more than they give."""
    import torch

    number = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(number)
