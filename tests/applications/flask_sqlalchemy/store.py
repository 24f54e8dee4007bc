"""A Flask application with Flask-SQLAlchemy: its session belongs to the application context of one run."""

from pathlib import Path

from celery import Celery, Task
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


class Order(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    state = db.Column(db.String(20), default="open")


def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{Path(__file__).with_name('store.db')}"
    db.init_app(app)
    with app.app_context():
        db.create_all()
    return app


class ContextTask(Task):
    def __call__(self, *args, **kwargs):
        with flask_app.app_context():
            return super().__call__(*args, **kwargs)


flask_app = create_app()
celery = Celery("store", task_cls=ContextTask)
celery.conf.beat_schedule = {"close": {"task": "store.close_orders", "schedule": 1.0}}


@celery.task(name="store.close_orders")
def close_orders():
    """Leave the session as it is: whatever a run forgets is gone for the next one in the same process."""
    left_over = len(db.session.new) + len(db.session.dirty)
    db.session.add(Order())
    db.session.commit()
    db.session.add(Order(state="forgotten"))
    return {"left over": left_over, "orders": Order.query.filter_by(state="open").count()}
