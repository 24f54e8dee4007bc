-- Write the places of schedules in every index again, from the rows of their ledgers and from their entries.
-- KEYS: none. ARGV: prefix, then names.
local prefix = ARGV[1]

-- When a worker took a run of the schedule last, and the first due instant of those that expired untaken since.
local function unstarted(rows)
  local taken, expired = 0, {}
  for i = 1, #rows, 2 do
    local function field(name) return string.match(rows[i + 1], '"' .. name .. '": ?"([^"]*)"') end
    local started = tonumber(field('started') or '')
    if started then
      -- Only the first start is in the row.
      local is_later = (tonumber(field('attempt') or '') or 1) > 1
      taken = math.max(taken, is_later and (tonumber(field('finished') or '') or tonumber(redis_time())) or started)
    elseif field('reason') == 'expired' and field('outcome') == 'skipped' and field('sent') then
      expired[#expired + 1] = {due = tonumber(field('due')) or 0, at = tonumber(field('finished')) or 0}
    end
  end
  local first
  for _, one in ipairs(expired) do
    if one.at > taken then first = math.min(first or one.due, one.due) end
  end
  return taken, first
end

local function index_stuck(name, ledger, rows)
  local taken, first = unstarted(rows)
  if first then
    redis.pcall('ZADD', stuck_key(prefix), 'NX', first, name)
    redis.pcall('EXPIRE', stuck_key(prefix), FAILING_TTL_S)
  elseif taken > 0 or redis.call('EXISTS', ledger) == 0 then -- else its rows may have been trimmed
    redis.pcall('ZREM', stuck_key(prefix), name)
  end
end

-- The runs under way that become slow; those of a schedule that is slow already were told.
local function index_slow(ledger, rows)
  if redis.call('HEXISTS', ledger, ':slow') == 1 then return end
  for i = 1, #rows, 2 do
    local run = string.find(rows[i + 1], '"slow_after"', 1, true) and read_run(ledger, rows[i])
    local is_open = run and (run.outcome == 'running' or run.outcome == 'queued')
    if is_open and run.started then note_begun(prefix, rows[i], run) end
  end
end

for at = 2, #ARGV do
  local name = ARGV[at]
  local ledger = ledger_key(prefix, name)
  pcall(recount, prefix, ledger)
  if redis.call('TYPE', prefix .. name).ok == 'hash' then
    pcall(function()
      local rows = redis.call('HGETALL', ledger)
      index_stuck(name, ledger, rows)
      index_slow(ledger, rows)
    end)
    index_quarantine(prefix, name)
    note_outcome(name, last_outcome(ledger))
  else
    leave_indexes(prefix, name)
  end
end
write_indexes(prefix)
return #ARGV - 1
