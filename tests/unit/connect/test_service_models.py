"""AWS's service models are read once in a process, whatever number of clients it makes."""

from pathlib import Path

from gateway.connect.aws_client import loader_of
from gateway.connect.boto_sender import BotoConnect


async def test_clients_share_what_was_read() -> None:
    """No client searches more folders than the one before."""
    loader = loader_of(None)
    folders = loader.search_paths
    for _ in range(3):
        connect = BotoConnect(
            threads=1,
            timeout_s=1.0,
            endpoint_url="http://127.0.0.1:1",
            region="us-east-1",
            credentials=("k", "s"),
        )
        await connect.close()
    assert loader_of(None) is loader
    assert loader.search_paths == folders


def test_models_of_the_operator_come_first(tmp_path: Path) -> None:
    """Models in a folder of AWS_DATA_PATH replace botocore's own."""
    model = tmp_path / "connectcampaigns" / "2021-01-30" / "service-2.json"
    model.parent.mkdir(parents=True)
    model.write_text('{"version": "2.0", "metadata": {"serviceId": "theirs"}}')
    loaded = loader_of(str(tmp_path)).load_service_model("connectcampaigns", "service-2")
    assert loaded["metadata"]["serviceId"] == "theirs"
