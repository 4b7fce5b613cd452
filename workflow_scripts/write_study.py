"""Write a study with changed settings to a file of its own, so that it is asked for by its name from then on.

    python -m workflow_scripts.write_study config/demo.yaml --set 'study=short cells.search.epochs=4'

The changes name the new study (`study=NAME`), and config/NAME.yaml is written; one that is there is not. Results that
were made with the same SET stay current, because their settings are the same. What config/local.yaml sets is left out.
"""

import sys
from collections.abc import Sequence

from workflow_scripts.runtime.command_line import print_error, print_lines, study_parser
from workflow_scripts.runtime.durable import write_durably
from workflow_scripts.study.open_study import CONFIG, LOCAL, named_study
from workflow_scripts.study.study import StudyError, study_text


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the study on the command line; returns the exit status, 2 for a mistake in the configuration."""
    options = study_parser("write_study", __doc__).parse_args(arguments)
    try:
        base, study = (named_study(options.file, changes, local=False) for changes in (None, options.set))
        if study.study == base.study:
            raise StudyError(f"SET: the new study needs a name of its own, as in SET='study={base.study}_2 ...'")
        file = CONFIG / f"{study.study}.yaml"
        if file.name == LOCAL.name:
            raise StudyError("SET: study is local, and config/local.yaml is merged over any study; give another name")
        if file.exists():
            raise StudyError(f"config/{file.name} is there already and stays as it is; give study= another name")
        changes = " ".join(options.set.split())  # one line, because it is a comment
        write_durably(file, study_text(study, f"The study {base.study}, with {changes}"))
    except StudyError as error:
        print_error(error)
        return 2
    except OSError as error:
        print_error(f"{error.filename or 'a file'} cannot be read or written ({error.strerror})")
        return 2
    print_lines(f"config/{file.name} is written; make run STUDY={study.study} runs it")
    if study.title == base.title:
        print_lines(f"its title and description are those of {base.study}; the report opens with them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
