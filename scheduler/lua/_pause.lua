-- `pause_after_failures`: a schedule that fails again and again is paused in the step that ends its run, as a person
-- would pause it. This is put behind _ledger.lua.
local PAUSER = 'the service'
local AUDIT_LENGTH = 10000 -- as in storage/audit.py; a test compares them
local NEVER = -1
local PAUSED_TTL_S = 366 * 86400

-- The entry, RedBeat's definition, where no other beat sends it, and the audit log.
local function pause_entry(prefix, name, stored, note)
  local key, at = prefix .. name, redis_time()
  local pause = string.format('{"by": "%s", "at": %s, "note": "%s", "until": null}', PAUSER, at, note)
  local definition, seen, fields = stored[1], stored[2], stored[4] or 'null'
  if redis.sha1hex(definition) == seen then
    definition = string.gsub(definition, '"enabled": true}$', '"enabled": false}')
  end
  redis.call('HSET', key, 'pause', pause, 'revision', next_revision(prefix))
  if redis.sha1hex(stored[1]) == seen then
    redis.call('HSET', key, 'definition', definition, 'seen', redis.sha1hex(definition))
  end
  redis.call('ZADD', schedule_key(prefix), 'XX', NEVER, key)
  redis.pcall('ZADD', paused_key(prefix), at, name)
  redis.pcall('EXPIRE', paused_key(prefix), PAUSED_TTL_S)
  note_changed(prefix, {name})
  redis.call('PUBLISH', wake_key(prefix), '1')
  local line = string.format(
    '{"by": "%s", "at": %s, "change": "pause", "before": %s, "after": %s, "why": "%s", "schedule": %s, '
      .. '"pause": [null, %s]}',
    PAUSER, at, fields, fields, note, cjson.encode(name), pause)
  note_line(prefix, audit_key(prefix), AUDIT_LENGTH, name, line)
end

-- Pause a schedule whose newest runs failed so often since it was paused last.
-- pcall: another program's key in the place of an entry must not end a script halfway.
local function pause_failing(prefix, ledger, run, count)
  local most, forgiven = tonumber(run.pause_after), tonumber(redis.call('HGET', ledger, ':forgiven') or '0')
  if forgiven > count then forgiven = 0 end
  if not most or count - forgiven < most then return end
  local name = name_of(prefix, ledger)
  local stored = redis.pcall('HMGET', prefix .. name, 'definition', 'seen', 'pause', 'fields')
  if not stored[1] or (stored[3] or '') ~= '' then return end
  local note = count - forgiven == 1 and '1 failure' or string.format('%d failures in a row', count - forgiven)
  if pcall(pause_entry, prefix, name, stored, note) then redis.call('HSET', ledger, ':forgiven', count) end
end
