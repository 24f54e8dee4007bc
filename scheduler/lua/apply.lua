-- Apply a set of changes to the schedule: all of them, or none where one of the entries was changed meanwhile.
-- KEYS: lock, schedule index, audit log. ARGV: token ('' where no lock is needed), prefix, wake channel, audit length, then for each change:
--   name, revision expected ('' for: must not exist), operation (put|remove), score ('' leaves it), line for the audit log,
--   meta and number of runs for an entry that has none yet, number of names and values, {field, value}…
-- A removal with the field 'to' is half of a rename: the history moves to that name.
-- Returns nil when the lock is not ours, else the names of the entries that were changed meanwhile (none: it is done).
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local prefix, channel, length = ARGV[2], ARGV[3], ARGV[4]

local conflicts = {}
local at = 5
while at <= #ARGV do
  local stored = redis.call('HGET', prefix .. ARGV[at], 'revision') or ''
  if not string.match(stored, '^[1-9]%d*$') then stored = '' end
  if stored ~= ARGV[at + 1] then
    conflicts[#conflicts + 1] = ARGV[at]
    -- One that fell out of the index is found again at the next try.
    if ARGV[at + 1] == '' then redis.call('ZADD', KEYS[2], 'NX', -1, prefix .. ARGV[at]) end
  end
  at = at + 8 + tonumber(ARGV[at + 7])
end
if #conflicts > 0 then return conflicts end

at = 5
while at <= #ARGV do
  local name, operation, score, line, meta = ARGV[at], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  local runs, count = ARGV[at + 6], tonumber(ARGV[at + 7])
  local key = prefix .. name
  if operation == 'remove' then
    redis.call('DEL', key)
    redis.call('HDEL', ledger_key(prefix, name), ':waiting')
    redis.call('ZREM', KEYS[2], key)
    if count == 2 and redis.call('EXISTS', ledger_key(prefix, name)) == 1 then
      redis.call('RENAME', ledger_key(prefix, name), ledger_key(prefix, ARGV[at + 9]))
      redis.call('SET', moved_key(prefix, name), ARGV[at + 9], 'EX', 7 * 86400)
    end
  else
    local definition
    for i = at + 8, at + 7 + count, 2 do
      redis.call('HSET', key, ARGV[i], ARGV[i + 1])
      if ARGV[i] == 'definition' then definition = ARGV[i + 1] end
    end
    if definition then redis.call('HSET', key, 'seen', redis.sha1hex(definition)) end
    redis.call('HSETNX', key, 'meta', meta)
    redis.call('HSETNX', key, 'count', runs)
    redis.call('HSET', key, 'revision', next_revision(prefix))
    if score ~= '' then redis.call('ZADD', KEYS[2], score, key) end
  end
  redis.call('SADD', prefix .. ':changed', name)
  if line ~= '' then redis.call('XADD', KEYS[3], 'MAXLEN', '~', length, '*', 'change', line) end
  at = at + 8 + count
end
redis.call('EXPIRE', prefix .. ':changed', 86400)
redis.call('PUBLISH', channel, '1')
return {}
