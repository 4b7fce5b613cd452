"""The text of a study's file, as a person would have written it: what is set, and nothing that is a default."""

import yaml

from workflow_scripts.study.study import Study


def study_text(study: Study, comment: str) -> bytes:
    """The study as YAML under `comment`, a line that says where it comes from."""
    settings = study.model_dump(mode="json", exclude_unset=True)
    # None: lists and mappings without others inside them stand on one line
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    return f"# {comment}\n{text}".encode()
