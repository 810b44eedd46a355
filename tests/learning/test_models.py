"""Every network by its name, for any bands and sizes; weights from a file, a name or a repository, or a clear refusal."""

import hashlib
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import get_args

import lightning
import pytest
import safetensors.torch
import segmentation_models_pytorch as smp
import timm
import torch
import torchvision
from torchgeo.models import FCN, ResNet18_Weights

from geopointseg.errors import GeoPointSegError
from geopointseg.learning import fetch
from geopointseg.learning.models import Model, build_model, default_backbone
from geopointseg.learning.networks import mirrored
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.learning.weights import fill, spread

NAMES = get_args(Model)
DEEP = ("deeplabv3_resnet101", "fcn_resnet101")  # as the shallower ones, but slower
SMALL = [pytest.param(name, marks=pytest.mark.slow if name in DEEP else ()) for name in NAMES]


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """Whoever opens a connection, or asks for an address, fails and is remembered; nothing kept elsewhere is seen."""
    asked = []

    def refuse(*args, **_):
        asked.append(args)
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(fetch, "try_to_load_from_cache", lambda *_, **__: None)
    return asked


@pytest.fixture
def server(monkeypatch):
    """A server on this machine: `server[path] = bytes` is what it has; `server.url` where it is."""
    files, seen = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.path)
            held = files.get(self.path)
            self.send_response(404 if held is None else 200)
            self.send_header("Content-Length", str(len(held or b"")))
            self.end_headers()
            self.wfile.write(held or b"")

        def log_message(self, *_):
            pass

    monkeypatch.undo()  # this one may be reached
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=running.serve_forever, daemon=True).start()
    yield files, seen, f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


def seeded(name, bands=3, classes=4, seed=0, **options):
    """A model whose random start is the same for the same seed."""
    torch.manual_seed(seed)
    return build_model(name, bands, classes, **options)


def logits_of(model, *size, bands=3):
    """What it says of noise, in evaluation."""
    torch.manual_seed(7)
    with torch.inference_mode():
        return model.eval()(torch.rand(1, bands, *size))


def same_weights(one, other):
    """Whether two modules hold the same tensors under the same names."""
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


# shapes


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(("bands", "size"), [(1, (64, 96)), (3, (45, 70)), (5, (10, 7))])
def test_any_bands_and_any_size_give_logits_for_every_class(name, bands, size):
    found = logits_of(build_model(name, bands, 4), *size, bands=bands)
    assert found.shape == (1, 4, *size)
    assert found.isfinite().all()


@pytest.mark.parametrize(
    ("name", "backbone"),
    [
        ("unet", "efficientnet-b0"),
        ("unet", "tu-convnext_atto"),
        ("unet", "tu-swin_tiny_patch4_window7_224"),  # made for 224 pixels alone unless asked
        ("linknet", "mobilenet_v2"),
        ("upernet", "mit_b0"),
        ("segformer", "mit_b0"),
        ("deeplabv3+", "tu-resnet10t"),
        ("dpt", "tu-vit_tiny_patch16_384"),
    ],
)
def test_encoders_of_smp_and_timm(name, backbone):
    assert logits_of(build_model(name, 5, 2, backbone=backbone), 40, 64, bands=5).shape == (1, 2, 40, 64)


def test_a_mirror_image_continues_the_edge():
    x = torch.tensor([[[[1, 2, 3], [4, 5, 6]]]])
    assert mirrored(x, 4)[0, 0].tolist() == [[1, 2, 3, 3], [4, 5, 6, 6], [4, 5, 6, 6], [1, 2, 3, 3]]
    assert mirrored(torch.tensor([[[[1, 2]]]]), 8)[0, 0, 0].tolist() == [1, 2, 2, 1, 1, 2, 2, 1]
    assert mirrored(x, 1) is x


@pytest.mark.parametrize(("name", "kind"), [("unet", smp.Unet), ("linknet", smp.Linknet), ("upernet", smp.UPerNet)])
def test_where_the_size_fits_the_network_is_smps_own(name, kind):
    ours, theirs = build_model(name, 5, 4), kind("resnet18", encoder_weights=None, in_channels=5, classes=4)
    theirs.load_state_dict(ours.state_dict())  # the same names
    torch.testing.assert_close(logits_of(ours, 64, 64, bands=5), logits_of(theirs, 64, 64, bands=5))


def test_torchgeos_fcn_has_the_same_weights_and_answers():
    ours, theirs = build_model("fcn", 5, 4), FCN(in_channels=5, classes=4, num_filters=3)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(logits_of(ours, 20, 30, bands=5), logits_of(theirs, 20, 30, bands=5))


def test_torchvisions_network_has_the_same_weights_and_answers():
    ours = build_model("fcn_resnet50", 3, 4)
    theirs = torchvision.models.segmentation.fcn_resnet50(
        weights=None, weights_backbone=None, num_classes=4, aux_loss=True
    )
    theirs.load_state_dict(ours.state_dict())
    torch.manual_seed(7)
    with torch.inference_mode():
        expected = theirs.eval()(torch.rand(1, 3, 40, 50))["out"]
    torch.testing.assert_close(logits_of(ours, 40, 50), expected)


# weights by number, worked out by hand


def test_parameters_of_the_plain_unet():
    def twice(before, after):
        return 9 * before * after + 9 * after * after + 2 * 2 * after  # convolutions without bias, normalisations

    down = twice(3, 64) + twice(64, 128) + twice(128, 256) + twice(256, 512) + twice(512, 1024)
    up = sum(4 * 2 * w * w + w for w in (512, 256, 128, 64))
    join = sum(twice(2 * w, w) for w in (512, 256, 128, 64))
    expected = down + up + join + 64 * 4 + 4
    assert expected == 31_037_828
    assert sum(p.numel() for p in build_model("plain_unet", 3, 4).parameters()) == expected


def test_parameters_of_the_potsdam_network():
    resnet = 11_689_512 - (512 * 1000 + 1000)  # torchvision's figure without the head
    up = 16 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 32) + 2 * (256 + 128 + 64 + 32)
    expected = resnet + up + 9 * 32 * 7 + 7
    assert expected == 13_964_775
    assert sum(p.numel() for p in build_model("resnet18_transposed", 3, 7).parameters()) == expected


# training


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_learns(name):
    model = seeded(name).train()
    found = model(torch.rand(2, 3, 64, 64))
    for logits in found if isinstance(found, tuple) else (found,):
        logits.square().mean().backward(retain_graph=True)
    still = {key for key, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    unused = ("encoder.model.norm.", "encoder.model.head.")  # the end of timm's ViT, which SMP's DPT leaves out
    assert {key for key in still if not (name == "dpt" and key.startswith(unused))} == set()


@pytest.mark.parametrize("name", ["deeplabv3_resnet50", "fcn_resnet50"])
def test_the_auxiliary_head_speaks_in_training_alone(name):
    model = build_model(name, 3, 4)
    logits, auxiliary = model.train()(torch.rand(2, 3, 33, 40))
    assert logits.shape == auxiliary.shape == (2, 4, 33, 40)
    assert not torch.equal(logits, auxiliary)
    assert isinstance(logits_of(model, 33, 40), torch.Tensor)


def card(bands=3):
    """What a data module would say."""
    classes = [{"id": i, "name": f"class {i}", "color": f"#00000{i}", "code": i} for i in range(4)]
    return {"bands": list(range(1, bands + 1)), "mean": [0.0] * bands, "std": [1.0] * bands, "classes": classes}


def test_the_auxiliary_loss_counts_half_while_training_and_not_at_all_after():
    task = PointSegmentationTask(card(), model="fcn_resnet50")
    task.log = lambda *_, **__: None
    logits, auxiliary = torch.zeros(2, 4, 8, 8), torch.zeros(2, 4, 8, 8)
    auxiliary[:, 0] = 100.0  # sure, and right
    task.model.forward = lambda x: (logits, auxiliary) if task.training else logits
    batch = {
        "image": torch.rand(2, 3, 8, 8),
        "mask": torch.zeros(2, 8, 8, dtype=torch.long),
        "weight": torch.ones(2, 8, 8),
    }
    log4 = torch.tensor(4.0).log()  # cross-entropy of four equal logits
    assert task.train().training_step(batch, 0) == pytest.approx(log4)
    auxiliary[:, 0] = 0.0
    assert task.training_step(batch, 0) == pytest.approx(1.5 * log4)
    assert task.eval()(batch["image"]).shape == (2, 4, 8, 8)


@pytest.mark.slow
def test_a_task_with_an_auxiliary_head_trains_and_validates():
    task = PointSegmentationTask(card(), model="fcn_resnet50", steps=2)
    batch = {
        "image": torch.rand(2, 3, 32, 32),
        "mask": torch.zeros(2, 32, 32, dtype=torch.long),
        "weight": torch.ones(2, 32, 32),
    }
    run = lightning.Trainer(
        max_steps=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
    )
    loader = torch.utils.data.DataLoader([batch], batch_size=None)
    before = task.model.aux_classifier[0].weight.clone()
    run.fit(task, loader, loader)
    assert not torch.equal(task.model.aux_classifier[0].weight, before)
    assert task.confusion.sum() == 2 * 32 * 32


# files


@pytest.fixture(params=["weights.pt", "weights.safetensors"])
def saved(request, tmp_path):
    """Save named tensors the one way and the other."""

    def save(state, **around):
        path = tmp_path / request.param
        if path.suffix == ".safetensors":
            safetensors.torch.save_file({key: value.contiguous() for key, value in state.items()}, path)
        else:
            torch.save(around | {"state_dict": state} if around else state, path)
        return path

    return save


@pytest.mark.parametrize("name", SMALL)
def test_a_file_gives_the_whole_model_back_without_the_network(name, tmp_path, no_network):
    model = seeded(name)
    torch.save(model.state_dict(), tmp_path / "model.pth")
    again = seeded(name, seed=1, weights=tmp_path / "model.pth")
    assert same_weights(model, again)
    assert no_network == []


@pytest.mark.parametrize("prefix", ["", "encoder.", "backbone.", "model.encoder.", "module."])
def test_a_file_may_hold_the_encoder_alone(saved, prefix, no_network):
    encoder = seeded("unet").encoder
    path = saved({prefix + key: value for key, value in encoder.state_dict().items()})
    model, fresh = (seeded("unet", seed=1, weights=weights) for weights in (path, None))
    assert same_weights(model.encoder, encoder)
    assert same_weights(model.decoder, fresh.decoder)
    assert no_network == []


def test_a_checkpoint_of_lightning_gives_its_model(tmp_path):
    task = PointSegmentationTask(card())
    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": task.state_dict(), "hyper_parameters": dict(task.hparams), "epoch": 3}, path)
    assert same_weights(seeded("unet", seed=1, weights=str(path)), task.model)


def test_true_means_imagenet():
    refused("expected weights from https://huggingface.co/smp-hub/resnet18.imagenet/", "unet", 3, 4, True)


def test_the_encoder_of_another_model_is_taken_with_a_warning(tmp_path):
    other = seeded("linknet")
    torch.save(other.state_dict(), tmp_path / "model.pth")
    with pytest.warns(UserWarning, match="of another model: its encoder is taken, the rest starts at random"):
        model = seeded("unet", seed=1, weights=tmp_path / "model.pth")
    assert same_weights(model.encoder, other.encoder)


def test_another_number_of_classes_leaves_the_last_layer_fresh(saved):
    other = seeded("unet", classes=9)
    with pytest.warns(UserWarning, match=r"another number of classes than 4: segmentation_head\.0\.weight"):
        model = seeded("unet", seed=1, weights=saved(other.state_dict()))
    assert same_weights(model.decoder, other.decoder)


def test_the_classifier_of_the_first_training_is_left_out(saved):
    resnet = torchvision.models.resnet18(weights=None)  # with its fc for 1000 classes
    for name in ("unet", "resnet18_transposed"):
        model = seeded(name, weights=saved(resnet.state_dict()))
        assert torch.equal(model.encoder.layer4[1].conv2.weight, resnet.layer4[1].conv2.weight)


def test_timms_whole_models_fit_their_feature_extractors(saved):
    whole = timm.create_model("convnext_atto", pretrained=False)  # stages.0.… there, stages_0.… within SMP
    model = seeded("unet", backbone="tu-convnext_atto", weights=saved(whole.state_dict()))
    found = model.encoder.model.state_dict()["stages_1.blocks.0.conv_dw.weight"]
    assert torch.equal(found, whole.stages[1].blocks[0].conv_dw.weight)


@pytest.mark.parametrize("bands", [1, 2, 5])
def test_three_bands_are_spread_over_any_number(saved, bands):
    encoder = seeded("unet").encoder
    model = seeded("unet", bands=bands, seed=1, weights=saved(encoder.state_dict()))
    grey = torch.rand(1, 1, 32, 32)
    expected = encoder.conv1(grey.expand(1, 3, 32, 32))
    found = model.encoder.conv1(grey.expand(1, bands, 32, 32))
    if bands != 1 and bands % 3:  # some of the three more often than others: alike on the whole
        assert torch.corrcoef(torch.stack([found.ravel(), expected.ravel()]))[0, 1] > 0.5
    else:
        torch.testing.assert_close(found, expected)


def test_spreading_takes_the_bands_in_turn():
    weight = torch.tensor([1.0, 2.0, 6.0])[None, :, None, None]
    assert spread(weight, 1).ravel().tolist() == [9]
    assert spread(weight, 2).ravel().tolist() == [1.5, 3]
    assert spread(weight, 6).ravel().tolist() == [0.5, 1, 3, 0.5, 1, 3]


# refusals


def refused(match, *arguments, **options):
    """Building fails with such a message, on one line."""
    with pytest.raises(GeoPointSegError, match=match) as caught:
        build_model(*arguments, **options)
    assert "\n" not in str(caught.value)


def test_unknown_models_and_backbones_are_refused():
    refused("expected one of the models unet, linknet, .*, got 'unett'", "unett", 3, 4)
    refused("got 'resnet19' .*: try resnet18, resnet34", "unet", 3, 4, backbone="resnet19")
    refused("got 'tu-nothing' .*Unknown model", "unet", 3, 4, backbone="tu-nothing")
    refused("got 'resnet18' .*: try a vision transformer", "dpt", 3, 4, backbone="resnet18")
    refused("decoder needs 8, 16 or 32", "dpt", 3, 4, backbone="tu-vit_small_patch14_dinov2")
    refused("mit_b0.* is not supported for Linknet", "linknet", 3, 4, backbone="mit_b0")
    refused("expected no backbone for plain_unet", "plain_unet", 3, 4, backbone="resnet18")
    refused("expected at least 1 band and 1 class, got 0 and 4", "unet", 0, 4)


def test_a_backbone_is_never_looked_for_on_the_network(no_network):
    refused("expected a backbone by name", "unet", 3, 4, backbone="tu-hf-hub:org/name")
    assert no_network == []


def test_an_encoder_for_one_size_names_it():
    model = build_model("dpt", 3, 2, backbone="tu-beit_base_patch16_224")
    with pytest.raises(GeoPointSegError, match=r"got 64 x 64 \(Input height \(64\) doesn't match model \(224\)"):
        logits_of(model, 64, 64)


@pytest.mark.parametrize(
    ("name", "backbone", "first"),
    [
        ("unet", "resnet18", r"layer1.2.conv1.weight is not in the model; .*, and [0-9]+ more"),  # resnet34 has it
        (
            "unet",
            "resnet50",
            r"layer1.0.conv1.weight is \(64, 64, 3, 3\) in the file and \(64, 64, 1, 1\) in the model",
        ),
        ("plain_unet", None, "down.0.0.weight is not in the file"),
    ],
)
def test_weights_of_another_architecture_name_the_first_differences(tmp_path, name, backbone, first):
    torch.save(seeded("unet", backbone="resnet34").state_dict(), tmp_path / "model.pth")
    refused(first, name, 3, 4, tmp_path / "model.pth", backbone=backbone)


def test_weights_that_do_not_fit_leave_a_network_as_it_was():
    model, other = seeded("fcn"), seeded("fcn", seed=1).state_dict()
    other["backbone.8.weight"] = torch.zeros(7, 7, 7, 7)
    with pytest.raises(GeoPointSegError, match=r"8.weight is \(7, 7, 7, 7\) in the file"):
        fill(model, other, "other", in_channels=3, num_classes=4)
    assert same_weights(model, seeded("fcn"))


def test_weights_for_another_number_of_bands_are_refused(saved):
    path = saved(seeded("unet", bands=13).state_dict())
    refused("expected weights for 4 bands, or for 3 to spread over them, got weights.* for 13", "unet", 4, 4, path)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".ckpt"])
@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 half of an archive"])
def test_a_damaged_file_is_refused(tmp_path, suffix, content):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    refused(f"got {path}, which is damaged or holds more than tensors", "unet", 3, 4, path)


def test_half_a_file_is_refused(saved):
    path = saved(seeded("fcn").state_dict())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused("is damaged or holds more than tensors", "fcn", 3, 4, path)


def test_code_in_a_file_is_not_run(tmp_path):
    torch.save(torch.nn.Conv2d(1, 1, 1), tmp_path / "model.pt")  # a whole pickled model
    refused("damaged or holds more than tensors .*: .*state_dict", "unet", 3, 4, tmp_path / "model.pt")
    torch.save({"epoch": 3}, tmp_path / "model.pt")
    refused("expected named tensors", "unet", 3, 4, tmp_path / "model.pt")


def test_a_missing_file_is_not_looked_for_elsewhere(tmp_path, no_network):
    refused("which does not exist: check the path", "unet", 3, 4, tmp_path / "model.pth")
    refused("which does not exist: check the path", "unet", 3, 4, "models/model.pth")
    assert no_network == []


# names and repositories


@pytest.mark.parametrize(
    ("name", "backbone", "url", "kept"),
    [
        (
            "unet",
            "resnet18",
            "https://huggingface.co/smp-hub/resnet18.imagenet/resolve/",
            "smp-hub--resnet18.imagenet--model.safetensors",
        ),
        (
            "unet",
            "tu-resnet18",
            "https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors",
            "timm--resnet18.a1_in1k--model.safetensors",
        ),
        ("dpt", None, "https://huggingface.co/timm/vit_tiny", "timm--vit_tiny"),
        ("fcn_resnet50", None, "https://[^/]+/models/resnet50-0676ba61.pth", "resnet50-0676ba61.pth"),
        (
            "resnet18_transposed",
            None,
            "https://[^/]+/models/resnet18-f37072fd.pth",
            "resnet18-f37072fd.pth",
        ),
    ],
)
@pytest.mark.timeout(60)  # no patience with a network that is not there
def test_imagenet_without_a_network_names_the_file_and_its_place(name, backbone, url, kept, tmp_path, no_network):
    place = tmp_path / "torch" / "hub" / "checkpoints" / kept
    message = (
        rf"expected weights from ({url}).*got none \(no connection\): fetch that file elsewhere and put it at {place}"
    )
    refused(message, name, 3, 4, "imagenet", backbone=backbone)
    assert len(no_network) == 1  # asked once, not again and again


def test_a_file_at_its_place_is_taken_without_the_network(tmp_path, no_network):
    place = tmp_path / "torch" / "hub" / "checkpoints" / "smp-hub--resnet18.imagenet--model.safetensors"
    place.parent.mkdir(parents=True)
    encoder = seeded("unet").encoder
    safetensors.torch.save_file(encoder.state_dict(), place)
    for bands in (3, 4):
        model = seeded("unet", bands=bands, seed=1, weights="imagenet")
        assert torch.equal(model.encoder.layer1[0].conv1.weight, encoder.layer1[0].conv1.weight)
    assert no_network == []


@pytest.mark.parametrize(("name", "backbone"), [("plain_unet", None), ("fcn", None), ("unet", "resnext101_32x4d")])
def test_models_without_imagenet_weights_say_so(name, backbone, no_network):
    refused("expected a model with ImageNet weights, got", name, 3, 4, "imagenet", backbone=backbone)
    assert no_network == []


def test_torchgeos_weights_are_for_their_bands(no_network):
    name = "ResNet18_Weights.SENTINEL2_ALL_MOCO"
    refused(rf"for the 4 bands of the rasters, got {name}, which is for 13 \(B1, ", "unet", 4, 4, name)
    assert no_network == []
    refused("expected weights from https://hf.co/torchgeo/.*resnet18_sentinel2_all_moco", "unet", 13, 4, name)
    refused("expected the name of weights that TorchGeo", "unet", 3, 4, "ResNet18_Weights.NOTHING")


def test_torchvisions_names_are_known_too():
    name = "FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1"
    refused("expected weights from https://.*/models/fcn_resnet50_coco", "fcn_resnet50", 3, 4, name)


def test_torchgeos_weights_are_taken_where_torchgeo_keeps_them(tmp_path, no_network):
    url = ResNet18_Weights.SENTINEL2_ALL_MOCO.url
    place = tmp_path / "torch" / "hub" / "checkpoints" / url.rpartition("/")[2]
    place.parent.mkdir(parents=True)
    encoder = seeded("unet", bands=13).encoder
    torch.save(encoder.state_dict(), place)
    model = seeded("unet", bands=13, seed=1, weights="ResNet18_Weights.SENTINEL2_ALL_MOCO")
    assert same_weights(model.encoder, encoder)
    assert no_network == []


@pytest.mark.parametrize("weights", ["hf://org/name", "org/name"])
def test_a_repository_without_a_network_names_the_file(weights):
    refused(
        "expected weights from https://huggingface.co/org/name/resolve/main/model.safetensors", "unet", 3, 4, weights
    )


def test_the_offline_switch_of_hugging_face_is_obeyed(monkeypatch, no_network):
    monkeypatch.setattr(fetch.constants, "HF_HUB_OFFLINE", True)
    refused(r"got none \(HF_HUB_OFFLINE is set\)", "unet", 3, 4, "hf://org/name")
    assert no_network == []


@pytest.mark.parametrize("weights", ["nonsense", "a/b/c", "/no/such/place", ""])
def test_weights_that_are_nothing_are_refused(weights, no_network):
    refused("expected 'imagenet', 'none', a name such as", "unet", 3, 4, weights)
    assert no_network == []


@pytest.mark.parametrize("weights", [None, False, "none"])
def test_none_is_a_random_start(weights, no_network):
    assert same_weights(seeded("unet", weights=weights), seeded("unet"))
    assert no_network == []


# downloads, from a server on this machine


def test_a_repository_is_fetched_once(server, monkeypatch, tmp_path):
    files, seen, url = server
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(fetch, "hf_hub_url", lambda repository, file, revision: f"{url}/{repository}/{file}")
    model = seeded("fcn")
    torch.save(model.state_dict(), tmp_path / "sent")
    files["/org/name/pytorch_model.bin"] = (tmp_path / "sent").read_bytes()
    for _ in range(2):
        assert same_weights(seeded("fcn", seed=1, weights="hf://org/name"), model)
    assert seen == ["/org/name/model.safetensors", "/org/name/pytorch_model.bin"]
    with pytest.raises(GeoPointSegError, match=r"404 .*: fetch that file elsewhere"):
        fetch.from_hub("org/other")
    kept = [path.name for path in (tmp_path / "torch" / "hub" / "checkpoints").iterdir()]
    assert kept == ["org--name--pytorch_model.bin"]


def test_what_comes_must_be_what_the_name_promises(server, monkeypatch, tmp_path):
    files, _, url = server
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    digest = hashlib.sha256(b"weights").hexdigest()[:8]
    files[f"/resnet-{digest}.pth"] = files["/resnet-00000000.pth"] = b"weights"
    assert fetch.from_url(f"{url}/resnet-{digest}.pth").read_bytes() == b"weights"
    with pytest.raises(GeoPointSegError, match="whose SHA-256 begins with 00000000, got"):
        fetch.from_url(f"{url}/resnet-00000000.pth")
    kept = [path.name for path in (tmp_path / "torch" / "hub" / "checkpoints").iterdir()]
    assert kept == [f"resnet-{digest}.pth"]


# checkpoints


def test_a_checkpoint_needs_the_first_weights_no_more(tmp_path, no_network):
    torch.save(seeded("unet").encoder.state_dict(), tmp_path / "start.pth")
    task = PointSegmentationTask(card(), weights=str(tmp_path / "start.pth"))
    torch.save(
        {"hyper_parameters": dict(task.hparams), "state_dict": task.state_dict(), "pytorch-lightning_version": "2.6.0"},
        tmp_path / "model.ckpt",
    )
    (tmp_path / "start.pth").unlink()
    again = PointSegmentationTask.load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    assert same_weights(again, task)
    assert no_network == []


@pytest.mark.parametrize("name", ["unet", "linknet", "dpt", "plain_unet", "fcn"])
def test_a_checkpoint_says_which_backbone_it_has(name):
    task = PointSegmentationTask(card(), model=name)
    assert task.hparams["backbone"] == default_backbone(name)
    assert (task.hparams["in_channels"], task.hparams["num_classes"]) == (3, 4)


def test_a_backbone_in_an_old_checkpoint_of_fcn_does_no_harm():
    assert same_weights(seeded("fcn", backbone="resnet18"), seeded("fcn"))
