"""JSON schemas of the YAML files and of the settings, from the models that read them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from canvas_replicate.config.provisions_file import ProvisionsFile
from canvas_replicate.config.pushes import PushesFile
from canvas_replicate.config.settings import Settings
from canvas_replicate.config.settings_sources import AppconfFile
from canvas_replicate.config.tables import TableListFile, TablesFile
from canvas_replicate.errors import ConfigError

YAML_FILES: Mapping[str, type[BaseModel]] = {
    "appconf.yaml": AppconfFile,
    "provisions.yaml": ProvisionsFile,
    "pushes.yaml": PushesFile,
    "tablelist.yaml": TableListFile,
    "tablesconf.yaml": TablesFile,
}


def build_settings_schema() -> dict[str, Any]:
    return Settings.model_json_schema()


def build_file_schema(file: str) -> dict[str, Any]:
    """The schema of a YAML file, by its name with or without a folder. Raises ConfigError for others."""
    name = Path(file).name
    if name not in YAML_FILES:
        raise ConfigError(f"There is no schema of {file!r}.", next_step=f"Name one of {', '.join(YAML_FILES)}.")
    schema = YAML_FILES[name].model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": name}
