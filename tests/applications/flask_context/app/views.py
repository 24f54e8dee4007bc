from flask import Blueprint, jsonify, request, url_for

from app import celery, tasks

messages = Blueprint("messages", __name__)


@messages.post("/messages")
def send():
    task = tasks.send_many.delay(int(request.form["count"]))
    return jsonify({}), 202, {"Location": url_for("messages.status", id=task.id)}


@messages.get("/status/<id>")
def status(id):
    seen = celery.backend.get_task_meta(id)  # state and progress of one moment
    return jsonify(state=seen["status"], info=seen["result"] if isinstance(seen["result"], dict) else None)
