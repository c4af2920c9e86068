"""What the web server loads in each of its workers: `granian --interface wsgi service.wsgi:app`."""

from service.api.metrics import keep_telling
from service.app import create_app
from service.config import Settings
from service.operations.logs import configure

settings = Settings.from_environment()
configure(settings.log_level, settings.log_format, settings.process)
app = create_app(settings)
app.extensions["watching"].log.hold()
if settings.worker:  # one of several, started by scripts/serve.py
    keep_telling(app.extensions["wiring"])
