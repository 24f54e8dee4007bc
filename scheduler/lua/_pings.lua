-- The outbox of pings: <prefix>:pings is a list, oldest first, of what beat/pings.py sends to services that watch from
-- outside. This is put behind _ledger.lua. Only runs of schedules with `ping` get there.
local MAX_PINGS = 10000
local PINGS_TTL_S = 86400
local MAX_BYTES = 1000 -- of a result or traceback; whole characters, because the reader must find the same text again
local PING_ENDS = {succeeded = 'success', failed = 'fail', lost = 'fail'}

-- pcall: another program's key in the place of the list must not end a script halfway.
local function note_ping(prefix, name, id, run, kind)
  if run.ping ~= '1' or not kind then return end
  local text = cjson.encode({
    name = name, kind = kind, run = id, id = run.task_id or '', at = redis_time(),
    reason = run.reason or '',
    detail = run.detail or '',
    result = string.gsub(string.sub(run.result or '', 1, MAX_BYTES), '[\192-\255][\128-\191]*$', ''),
    traceback = string.gsub(string.sub(run.traceback or '', -MAX_BYTES), '^[\128-\191]+', ''),
  })
  if type(redis.pcall('RPUSH', pings_key(prefix), text)) ~= 'number' then return end
  redis.call('LTRIM', pings_key(prefix), -MAX_PINGS, -1)
  redis.call('EXPIRE', pings_key(prefix), PINGS_TTL_S)
end
