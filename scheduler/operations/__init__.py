"""What people and programs can ask of the service; see ``operation``.

Nothing is imported here: a command needs the operations of one or two modules only.
"""
