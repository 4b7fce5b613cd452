"""Every setting says what it is, and the settings have a JSON schema."""

from typing import get_args

import pytest
from pydantic import BaseModel

from workflow_scripts.study.cell_job_settings import EvaluationJob, SearchJob
from workflow_scripts.study.depth_settings import DepthRun
from workflow_scripts.study.settings_model import Model
from workflow_scripts.study.study import Study


def models_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models_in(field.annotation)
    for argument in get_args(annotation):
        yield from models_in(argument)


MODELS = sorted({model for root in (Study, SearchJob, EvaluationJob, DepthRun) for model in models_in(root)}, key=str)


def test_the_models_of_both_systems_are_found():
    names = {model.__name__ for model in MODELS}
    assert {"Study", "Cells", "Grid", "Search", "Curvature", "Evaluation", "StopRule", "Images"} <= names
    assert {"Depth", "DepthExperiment", "SpiralData", "SpiralSweep", "DepthTraining"} <= names


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_setting_is_described(model):
    assert [name for name, field in model.model_fields.items() if not (field.description or "").strip()] == []
    assert (model.__doc__ or "").strip()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_is_frozen_and_closed(model):
    """Closed also to NaN, which no canonical JSON can hold."""
    assert issubclass(model, Model)
    config = {key: model.model_config.get(key) for key in ("frozen", "extra", "allow_inf_nan")}
    assert config == {"frozen": True, "extra": "forbid", "allow_inf_nan": False}


def test_the_schema_of_a_study_holds_descriptions_and_limits():
    schema = Study.model_json_schema()
    assert schema["properties"]["title"]["description"] == Study.model_fields["title"].description
    assert schema["required"] == ["study", "title", "description", "figures"]
    assert schema["additionalProperties"] is False
    definitions = schema["$defs"]
    assert definitions["Search"]["properties"]["layers"]["minimum"] == 3
    assert definitions["Evaluation"]["properties"]["drop_path"]["exclusiveMaximum"] == 1
    assert definitions["Grid"]["properties"]["l2"]["minItems"] == 1
    assert definitions["DepthTraining"]["properties"]["epochs"]["default"] == 8000
    assert definitions["DepthTraining"]["properties"]["kl_clamp"]["exclusiveMaximum"] == 0.5
