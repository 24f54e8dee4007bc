-- The last runs of a schedule at a glance, for lists. This is put behind _counters.lua.
-- ':recent' in a ledger has a line for each of the newest rows that ended, the newest first: the id without the name,
-- the number of the outcome, and the milliseconds that the body took, '-' where none began. storage/recent.py reads it.
-- Two indexes hold all schedules: by when a run ended last, and by how long the newest one took. Their scores are
-- negative, so that the newest and the longest come first.
local MAX_RECENT = 20
local INDEX_TTL_S = 30 * 86400 -- the leader writes the indexes again every hour

-- The numbers by which :outcomes is sorted, as in storage/outcomes.py; a schedule that has no row yet is new.
local OUTCOMES = {
  new = '0', queued = '1', running = '2', succeeded = '3', failed = '4', lost = '5', skipped = '6', stopped = '7',
  unreadable = '8'
}
local function number_of(outcome) return OUTCOMES[outcome] or OUTCOMES.unreadable end

local function instant_in(text) return string.match(text, '%d%d%d%d%-%d%d%-%d%dT[%d:.]+') or '' end

-- The line of a run that ended; nil for one that did not.
local function mark_of(id, run)
  local place = string.match(id, '@([^@%s]+)$')
  if not place or run.outcome == 'queued' or run.outcome == 'running' then return nil end
  local started, finished = tonumber(run.started or ''), tonumber(run.finished or '')
  local took = started and finished and finished > 0 and string.format('%.0f', milliseconds(started, finished)) or '-'
  local text = string.format('%s %s %s', place, number_of(run.outcome), took)
  return {place = place, at = instant_in(place), took = took, text = text}
end

local function marks_in(lines)
  local marks = {}
  for text in string.gmatch(lines, '[^\n]+') do
    marks[#marks + 1] = {
      place = string.match(text, '^%S+'), at = instant_in(text), took = string.match(text, ' (%d+)$') or '-',
      text = text
    }
  end
  return marks
end

local function score_of(seconds) return string.format('%.6f', -seconds) end

-- Write how long a schedule's newest run took, '-' for none, and when a run of it ended, if no later end is there yet.
-- pcall: another program's key in the place of an index must not end a script halfway.
local function index_recent(prefix, ledger, took, ended)
  local name = name_of(prefix, ledger)
  if redis.call('EXISTS', prefix .. name) == 0 then return end
  local function keep(index, added)
    if added == 1 then redis.pcall('EXPIRE', index, INDEX_TTL_S) end
  end
  if took ~= '-' then
    keep(took_key(prefix), redis.pcall('ZADD', took_key(prefix), score_of(tonumber(took) / 1000), name))
  end
  if ended then keep(ended_key(prefix), redis.pcall('ZADD', ended_key(prefix), 'LT', score_of(ended), name)) end
end

-- Write the first of these marks, and how long the newest took that has taken any time.
local function write_recent(prefix, ledger, marks, ended)
  local texts, took = {}, '-'
  for at = 1, math.min(#marks, MAX_RECENT) do texts[at] = marks[at].text end
  for _, mark in ipairs(marks) do
    took = mark.took
    if took ~= '-' then break end
  end
  redis.call('HSET', ledger, ':recent', table.concat(texts, '\n'))
  index_recent(prefix, ledger, took, ended)
  for _, index in ipairs({took_key(prefix), ended_key(prefix)}) do redis.pcall('EXPIRE', index, INDEX_TTL_S) end
end

-- When a run ended, in epoch seconds; nil for one that did not run.
local function end_of(run)
  local at = run.outcome ~= 'skipped' and tonumber(run.finished or '')
  return at and at > 0 and at or nil
end

-- The text of the marks with a newer one in front, without the lines beyond MAX_RECENT. Nearly every run is the newest.
local function with_newest(text, mark)
  local _, breaks = string.gsub(text, '\n', '')
  if breaks >= MAX_RECENT - 1 then text = string.match(text, '^(.*)\n') end
  return text == '' and mark.text or mark.text .. '\n' .. text
end

-- Put a run that ended, or a stretch of skips, in its place among the marks. `known` are the marks as text where they
-- were read already.
local function note_recent(prefix, ledger, id, run, known)
  local mark = mark_of(id, run)
  if not mark then return end
  local text = known or redis.call('HGET', ledger, ':recent') or ''
  if instant_in(string.match(text, '^[^\n]*')) < mark.at then
    redis.call('HSET', ledger, ':recent', with_newest(text, mark))
    return index_recent(prefix, ledger, mark.took, end_of(run))
  end
  local marks = {}
  for _, other in ipairs(marks_in(text)) do
    if other.place ~= mark.place then marks[#marks + 1] = other end
  end
  local at = 1
  while at <= #marks and marks[at].at > mark.at do at = at + 1 end
  table.insert(marks, at, mark)
  write_recent(prefix, ledger, marks, end_of(run))
end

-- Make the marks again from the rows of the ledger, as HGETALL gives them. By pattern, because decoding every row would
-- hold up Redis.
local function recount_recent(prefix, ledger, rows)
  local marks, ended = {}, nil
  for i = 1, #rows, 2 do
    local run = {}
    for _, field in ipairs({'outcome', 'started', 'finished'}) do
      run[field] = string.match(rows[i + 1], '"' .. field .. '": ?"([^"]*)"')
    end
    local mark = run.outcome and string.sub(rows[i], 1, 1) ~= ':' and mark_of(rows[i], run)
    if mark then
      marks[#marks + 1] = mark
      ended = math.max(ended or 0, end_of(run) or 0)
    end
  end
  table.sort(marks, function(one, other) return one.at > other.at end)
  write_recent(prefix, ledger, marks, ended and ended > 0 and ended)
end
