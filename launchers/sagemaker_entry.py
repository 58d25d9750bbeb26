"""Where a SageMaker training job begins: the toolkit runs this file, from the archive that the launcher sent."""

from __future__ import annotations

import sys
from pathlib import Path

# The toolkit runs it from the folder of the archive, where the lab is.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from sagemaker_jobs.inside import main

if __name__ == "__main__":
    sys.exit(main())
