-- The last runs of a schedule at a glance, for lists: ':recent' in its ledger has a line for each of its newest rows that ended, the oldest
-- first: what the row's id has behind the name, the number of its outcome, and the milliseconds that its body took, '-' where none began.
-- storage/recent.py reads it. Beside it are two indexes of all schedules, by when a run ended last and by how long the newest one took; their
-- scores are negative, so that the newest and the longest come first. This is put behind _counters.lua.
local MAX_RECENT = 20
local INDEX_TTL_S = 30 * 86400 -- the leader writes the indexes again every hour

-- The numbers by which :outcomes is sorted, as in storage/outcomes.py; a schedule that has no row yet is new.
local OUTCOMES = {new = '0', queued = '1', running = '2', succeeded = '3', failed = '4', lost = '5', skipped = '6', stopped = '7', unreadable = '8'}
local function number_of(outcome) return OUTCOMES[outcome] or OUTCOMES.unreadable end

local function instant_in(text) return string.match(text, '%d%d%d%d%-%d%d%-%d%dT[%d:.]+') or '' end

-- The line of a run that ended; nil for one that did not.
local function mark_of(id, run)
  local place = string.match(id, '@([^@%s]+)$')
  if not place or run.outcome == 'queued' or run.outcome == 'running' then return nil end
  local started, finished = tonumber(run.started or ''), tonumber(run.finished or '')
  local took = started and finished and finished > 0 and string.format('%.0f', milliseconds(started, finished)) or '-'
  return {place = place, at = instant_in(place), took = took, text = string.format('%s %s %s', place, number_of(run.outcome), took)}
end

local function read_recent(ledger)
  local marks = {}
  for text in string.gmatch(redis.call('HGET', ledger, ':recent') or '', '[^\n]+') do
    marks[#marks + 1] = {place = string.match(text, '^%S+'), at = instant_in(text), took = string.match(text, ' (%d+)$') or '-', text = text}
  end
  return marks
end

-- pcall: another program's key in the place of an index must not end a script halfway.
local function index_by(index, name, seconds, condition)
  redis.pcall('ZADD', index, condition, string.format('%.6f', -seconds), name)
  redis.pcall('EXPIRE', index, INDEX_TTL_S)
end

-- Write the newest of these marks, and how long the newest took that has taken any time.
local function write_recent(prefix, ledger, marks, ended)
  local texts = {}
  for at = math.max(1, #marks - MAX_RECENT + 1), #marks do texts[#texts + 1] = marks[at].text end
  redis.call('HSET', ledger, ':recent', table.concat(texts, '\n'))
  local name, newest = name_of(prefix, ledger), #marks
  while newest > 0 and marks[newest].took == '-' do newest = newest - 1 end
  if redis.call('EXISTS', prefix .. name) == 0 then return end
  if newest > 0 then index_by(took_key(prefix), name, tonumber(marks[newest].took) / 1000, 'CH') end
  if ended then index_by(ended_key(prefix), name, ended, 'LT') end
end

-- When a run ended, in epoch seconds; nil for one that did not run.
local function end_of(run)
  local at = run.outcome ~= 'skipped' and tonumber(run.finished or '')
  return at and at > 0 and at or nil
end

-- Put a run that ended, or a stretch of skips, in its place among the marks.
local function note_recent(prefix, ledger, id, run)
  local mark = mark_of(id, run)
  if not mark then return end
  local marks = {}
  for _, other in ipairs(read_recent(ledger)) do
    if other.place ~= mark.place then marks[#marks + 1] = other end
  end
  local at = #marks
  while at > 0 and marks[at].at > mark.at do at = at - 1 end
  table.insert(marks, at + 1, mark)
  write_recent(prefix, ledger, marks, end_of(run))
end

-- Make the marks again from the rows of the ledger, as HGETALL gives them. By pattern, because decoding every row would hold up Redis.
local function recount_recent(prefix, ledger, rows)
  local marks, ended = {}, nil
  for i = 1, #rows, 2 do
    local run = {}
    for _, field in ipairs({'outcome', 'started', 'finished'}) do run[field] = string.match(rows[i + 1], '"' .. field .. '": ?"([^"]*)"') end
    local mark = run.outcome and string.sub(rows[i], 1, 1) ~= ':' and mark_of(rows[i], run)
    if mark then
      marks[#marks + 1] = mark
      ended = math.max(ended or 0, end_of(run) or 0)
    end
  end
  table.sort(marks, function(one, other) return one.at < other.at end)
  write_recent(prefix, ledger, marks, ended and ended > 0 and ended)
end
