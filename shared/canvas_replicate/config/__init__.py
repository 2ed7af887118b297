"""The configuration: settings from the environment, and the YAML files of REPLICATE_CONF_DIR."""
