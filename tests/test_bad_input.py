"""What the user did wrong: a line that says what to type, exit code 1, nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.config.compose import CONF


def choices(group: str) -> str:
    return ", ".join(sorted(path.stem for path in (CONF / group).glob("*.yaml")))


CASES = {
    "optimizer.lrr=1": "'optimizer.lrr' is not a key of the config. Did you mean 'optimizer.lr'",
    "batch_size=3": "'batch_size' is not a key of the config. Did you mean 'data.batch_size'",
    "nett=mlp": "'nett' is not a key of the config. Did you mean 'net'",
    "zzzzz=3": "'zzzzz' is not a key of the config. python -m src.train --help lists them all.",
    "net=mpl": f"{choices('net')}. Did you mean 'mlp'?",
    "experiment=cnn": f"{choices('experiment')}. Did you mean 'cnn_digits'?",
    "trainer": "'trainer' is not KEY=VALUE.",
    "seed=abc": "seed='abc': a whole number is needed.",
    "seed=-1": "seed=-1: a seed is from 0 to 4294967295.",
    "seed=true": "seed=true: a whole number is needed.",
    "data.batch_size=0": "data.batch_size=0: a batch needs at least 1 example.",
    "data.batch_size=-1": "data.batch_size=-1: a batch needs at least 1 example.",
    "data.num_workers=500": "data.num_workers=500: this machine has",
    "trainer.max_epochs=x": "trainer.max_epochs='x': a whole number or null is needed.",
    "trainer.max_epochs=0": "trainer.max_epochs=0 trains nothing.",
    "trainer.max_time=2": "trainer.max_time=2: days, hours, minutes and seconds are needed, such as 00:12:00:00.",
    "trainer.max_time=00:00:00:00": "trainer.max_time=00:00:00:00: days, hours, minutes and seconds are needed",
    "trainer.precision=17": "trainer.precision=17: 64 or 32 or 16 or",
    "trainer.accelerator=gpuu": "invalid accelerator name",
    "trainer.devices=64": "trainer.devices=64: this machine has",
    "optimizer.lr=true": "optimizer.lr=true: a number is needed.",
    "optimizer.lr=-1": "optimizer.lr=-1: a number above 0 is needed.",
    "net.hidden=256": "net.hidden=256: a list of whole numbers is needed.",
    "net.hidden=[0]": "net.hidden=[0]: a layer needs at least 1 unit.",
    "net.activation=reluu": "net.activation='reluu' is not an activation of torch.nn. Did you mean 'ReLU'",
    "net._target_=src.nets.MPL": "src.nets has no MPL. Did you mean 'MLP'?",
    "net._target_=src.nett.MLP": "src has no nett.",
    "+net.depth=3": "net.depth: src.nets.MLP has no such parameter.",
    "+data.columns=3": "data.columns: src.datasets.tables.read_table has no such parameter.",
    "monitor=val/acc": "Error: monitor=val/acc is not measured. Did you mean 'val/accuracy'?",
    "callbacks.early_stopping.monitor=val/acc": "Error: callbacks.early_stopping.monitor=val/acc is not measured.",
    "data.target=12": """text or a list of texts is needed. A number that is a text: "data.target='12'".""",
    "data.drop=[2019,x]": """a list of texts is needed. A number that is a text: "data.drop=['2019','x']".""",
    "mode=mni": "mode='mni': min or max or null is needed.",
    "data.fractions=[0.5,0.1,0.1]": "data.fractions=[0.5, 0.1, 0.1]: the shares of train, val and test must be three",
    "data=wine data.fractions=[0.9,0.099,0.001]": "data.fractions=[0.9, 0.099, 0.001] of 178 examples leave none for",
    "data.fractions=[0,0.5,0.5]": "must be three that add up to 1; only val and test may be 0.",
    "monitor=false": "monitor=false: text is needed.",
    "monitor=train/auroc": "monitor=train/auroc is not measured in training, but in validation. "
    "Did you mean 'val/auroc'?",
    "scheduler=plateau scheduler.monitor=train/auroc": "scheduler.monitor=train/auroc is not measured in training",
    "data.fractions=[1,0,0]": "monitor=val/loss is not measured.",
    "monitor=null": "monitor=null leaves early stopping nothing to watch. Add callbacks.early_stopping=null.",
    "monitor=null callbacks.early_stopping=null scheduler=plateau": "this scheduler needs a metric to watch",
    "data.path=nowhere.csv": "data.path=nowhere.csv is not a file.",
    "data.path=": "data.path= names no file.",
    "data.target=": "data.target='' is not a column of digits.csv.gz. It has: ",
    "data.target=digitt": "data.target='digitt' is not a column of digits.csv.gz. Did you mean 'digit'?",
    "data.shape=[1,9,9]": "data.shape=[1, 9, 9] holds 81 values, but digits.csv.gz has 64 features.",
    "net=cnn data=wine": "net: a CNN reads images (channels, height, width), but an example of these data is [13].",
    "net=cnn data.shape=[8,8]": "If it is a grey image, type data.shape=[1,8,8], else use a net that reads any shape",
    "net=cnn data.shape=null": "If it is an image row by row, type data.shape=[1,8,8], else use a net",
    "net=rnn": "an RNN reads sequences (steps, features), but an example of these data is [1, 8, 8]. "
    "To read an image row by row, type data.shape=[8,8].",
    "net=rnn_cell data=wine": "To read one value after another, type data.shape=[13,1].",
    "net=resnet net.blocks=[1,0]": "net.blocks=[1, 0] and net.widths=[32, 64]: one number a stage in each",
    "net=resnet net.stem=big": "net.stem='big': imagenet or small is needed.",
    "net=gru data.shape=[8,8] net.hidden_size=0": "net.hidden_size=0 net.num_layers=1: at least 1 of each.",
    "net=line_nested": "net: a line learns one y from one x, but an example of these data is [1, 8, 8]",
    "loss=huber": "loss: torch.nn.HuberLoss does not suit a multiclass task: Using a target size",
    "loss=smooth_labels data=diabetes": "loss: torch.nn.CrossEntropyLoss does not suit a regression task: whatever",
    "loss=smooth_labels data=breast_cancer": "loss: torch.nn.CrossEntropyLoss does not suit a binary task: whatever",
    "loss=smooth_labels +loss.reduction=none": "loss: torch.nn.CrossEntropyLoss gives [2] values, not one number",
    "data=own": "data.dataset._target_=null: name a function or class, such as my_module.my_dataset.",
    "weights=none.pt": "weights: none.pt is not a file.",
    "graph=maybe": "graph='maybe': true or false is needed.",
    "animate=true": "animate=true draws data with one x and one y, such as data=parabola.",
    "net._target_=null": "net._target_=null: name a function or class, such as my_module.my_net.",
    "net=cnn net.channels=[8,8,8,8]": "8 x 8 cannot be halved 4 times",
    "net._target_=torch.nn.Linear ~net.hidden ~net.activation ~net.dropout": "net: torch.nn.Linear: missing a required",
    "data.batch_size=9999 data.drop_last=true": "leaves nothing of 1257 training examples",
    "scheduler=plateau scheduler.factor=3": "scheduler: Factor should be < 1.0.",
    "trainer.max_epochs=-1": "This scheduler needs the run's length",
    "~net.hidden": "net: src.nets.MLP: missing a required argument: 'hidden'.",
    "callbacks.early_stopping.monitor=val/foo": "callbacks.early_stopping.monitor=val/foo is not measured.",
    "scheduler=plateau scheduler.monitor=val/foo": "scheduler.monitor=val/foo is not measured.",
    "scheduler.frequency=0": "scheduler.frequency=0: at least 1.",
    "trainer.accumulate_grad_batches=0": "trainer.accumulate_grad_batches=0: at least 1.",
    "trainer.gradient_clip_val=-1": "trainer.gradient_clip_val=-1: at least 0.",
    "callbacks.early_stopping.patience=-1": "callbacks.early_stopping.patience=-1: at least 0.",
    "callbacks.early_stopping.patience=x": "callbacks.early_stopping.patience='x': a whole number is needed.",
    "+callbacks.early_stopping.patient=3": "callbacks.early_stopping.patient: src.callbacks.monitor.Early",
    "optimizer.groups=3": "optimizer.groups=3: a list is needed, such as [{parameters: layers.0*, lr: 0.0001}].",
    "optimizer.groups=[3]": "optimizer.groups=[3]: a list is needed, such as [{parameters: layers.0*, lr: 0.0001}].",
    "freeze=abc": "freeze='abc': a list",
    "metrics.loss._target_=torchmetrics.CohenKappa": "metrics.loss: so the loss itself is called.",
    "metrics.kappa=3": "metrics.kappa=3: name a metric, such as metrics.kappa._target_=torchmetrics.CohenKappa.",
    "task=multilable": "Did you mean 'multilabel'?",
    "task._target_=src.tasks.MultiLable": "src.tasks has no MultiLable. Did you mean 'MultiLabel'?",
    "task._target_=src.datasets.contract.offer_of": "task: src.datasets.contract.offer_of: missing a required argument",
    "module._target_=src.nets.MLP": "module._target_=src.nets.MLP is no LightningModule.",
    "trainer.devices=two": "trainer.devices=two: a number is needed, a list of devices such as [0,1], or auto.",
    "trainer.limit_train_batches=0": "trainer.limit_train_batches=0 trains nothing.",
    "scheduler=null": f"scheduler=null: choose one of {choices('scheduler')}.",
    "module=null": f"module=null: choose one of {choices('module')}.",
    "scheduler=step scheduler.step_size=0": "scheduler.step_size=0: a number above 0 is needed.",
    "data=diabetes data.stratify=true": "data.stratify=true shares out classes, but this target is a number.",
    "optimizer.betas=0.9": "optimizer.betas=0.9: a list of 2 numbers is needed.",
    "optimizer.betas=[0.9]": "optimizer.betas=[0.9]: a list of 2 numbers is needed.",
    "trainer.devices=-3": "trainer.devices=-3: at least 1 is needed; -1 or auto is as many as there are.",
    "net.hidden=[100000000000]": "Out of memory, ",
    "optimizer.lr=0": "optimizer.lr=0: a number above 0 is needed.",
    "scheduler=one_cycle scheduler.max_lr=-1": "scheduler.max_lr=-1: a number above 0 is needed.",
    "+experiment=cnn_digits": "experiment is chosen already, by what stands in conf/: type experiment=",
    "--seed 5": "--seed: a setting is KEY=VALUE without dashes: seed=5.",
    "net=mlp --seed=5": "--seed=5: a setting is KEY=VALUE without dashes: seed=5.",
    "name=[a,b]": "name=['a', 'b']: a name is that of a folder in outputs/.",
    "+trainer.logger._target_=lightning.pytorch.loggers.CometLogger": "trainer: ",
    "name=../x": "name=../x: a name is that of a folder in outputs/.",
    "name=''": "name=: a name is that of a folder in outputs/.",
    "callbacks.best=null": "callbacks.best=null: no run is whole without it.",
    "trainer.fast_dev_run=true": "debug=fast is as short, and does.",
    "trainer.enable_checkpointing=false": "A run needs its checkpoints",
    "trainer.limit_val_batches=0": "leaves monitor=val/loss unknown. Use monitor=train/loss.",
    "optimizer.lr=1e18 trainer.max_epochs=1": "train/loss is nan in epoch 0, step 1, lr",
}


LONG = "a" * 300  # longer than a file's name may be
CASES |= {
    f"data.path={LONG} scheduler=null": f"scheduler=null: choose one of {choices('scheduler')}.",
    f"metrics.m={LONG} net={LONG} lr=1": f"net={LONG}: there are {choices('net').partition(',')[0]}",
    f"name={LONG} data.path={LONG} lr=1": "'lr' is not a key of the config. Did you mean 'optimizer.lr'",
}


@pytest.mark.parametrize(
    "arguments", [pytest.param(case, marks=[pytest.mark.quick] * (i % 8 == 0)) for i, case in enumerate(CASES)]
)
def test_it_is_told_in_the_users_words(call, capsys, arguments):
    assert call("train", *arguments.split(" ")) == 1
    error = capsys.readouterr().err
    assert CASES[arguments] in error
    assert error.startswith("Error: ")
    assert len(error.strip().splitlines()) <= 2
    assert not Path("outputs").exists() or list(Path("outputs").iterdir()) == []


def test_the_traceback_is_there_for_who_asks(python):
    done = python("src.train", "seed=abc", HYDRA_FULL_ERROR="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "seed='abc'" in done.stderr


@pytest.mark.parametrize("place", ["name=my_run", "trainer.max_epochs=1", "hydra.run.dir=outputs/a/b"])
def test_an_outputs_folder_that_cannot_be_written(call, capsys, place):
    Path("outputs").write_text("a file where the folder should be")
    assert call("train", place) == 1
    error = capsys.readouterr().err
    assert "cannot be made" in error
    assert "Choose another with name= or hydra.run.dir=." in error


def test_a_gpu_that_is_not_there(call, capsys, monkeypatch):
    monkeypatch.setattr("lightning.pytorch.accelerators.CUDAAccelerator.auto_device_count", lambda: 0)
    monkeypatch.setattr("lightning.pytorch.accelerators.MPSAccelerator.is_available", lambda: False)
    assert call("train", "trainer=gpu") == 1
    assert "trainer.accelerator=gpu: PyTorch finds none on this machine. Use trainer=cpu" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["outputs/none"], "outputs/none is not the folder of a run, it does not exist."),
        (["outputs"], "outputs is not the folder of a run."),
        (["outputs/tiny/checkpoints/best.ckpt"], "lies in the folder of a run. Name that: outputs/tiny."),
        (
            ["outputs/tiny", "data.batchsize=3"],
            "'data.batchsize' is not a key of the config. Did you mean 'data.batch_size'",
        ),
        (["outputs/tiny", "optimizer.lr=3"], "optimizer.lr=3: only data and trainer of a finished run can change."),
        (["outputs/tiny", "data.split_seed=3"], "would be scored on examples that it has learnt from."),
        (
            ["outputs/tiny", "data.fractions=[0.4,0.45,0.15]", "--split", "val"],
            "would be scored on examples that it has learnt from.",
        ),
        (["outputs/tiny", "data=digits"], "digits.csv.gz has no column alcohol, which the run needs."),
        (["outputs/tiny", "trainer=gpuu"], f"trainer=gpuu: there are {choices('trainer')}."),
        (
            ["outputs/tiny", "--split", "test", "data.batch_size=0"],
            "data.batch_size=0: a batch needs at least 1 example.",
        ),
    ],
)
def test_evaluate_says_what_is_wrong(finished, call, capsys, arguments, says):
    finished("data=wine", "trainer.max_epochs=1", "name=tiny")
    assert call("evaluate", *arguments) == 1
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


def test_a_split_that_was_left_out_is_not_scored(train, call, capsys):
    train("data=wine", "data.fractions=[0.8,0.2,0]", "trainer.max_epochs=1", "name=tiny")
    assert call("evaluate", "outputs/tiny") == 1
    assert "--split test: data.fractions=[0.8, 0.2, 0] left it empty." in capsys.readouterr().err


def test_a_run_that_has_not_finished_is_not_scored(finished, call, capsys):
    finished("data=wine", "trainer.max_epochs=1", "name=tiny")
    Path("outputs/tiny/results.json").unlink()
    assert call("evaluate", "outputs/tiny") == 1
    assert "outputs/tiny is not finished. Repeat its command" in capsys.readouterr().err
