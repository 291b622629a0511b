"""Prints the chart rendered with a value set of ml-connector/ci: `python helm/render.py production`.

With names of kinds after it, only these. Needs Helm's library: python3 dev.py install chart.
"""

import sys
from pathlib import Path

import yaml

CHART = Path(__file__).parent / "ml-connector"


def main() -> int:
    import helm_python

    name, kinds = sys.argv[1], set(sys.argv[2:])
    values = yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text("utf-8"))
    with helm_python.Chart.load(str(CHART)) as chart:
        files = chart.render(values, name="mlc", namespace="prod")
    texts = (text for file, text in files.items() if file.endswith(".yaml"))
    documents = [each for text in texts for each in yaml.safe_load_all(text) if each]
    chosen = [each for each in documents if not kinds or each["kind"] in kinds]
    sys.stdout.write(yaml.safe_dump_all(chosen, sort_keys=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
