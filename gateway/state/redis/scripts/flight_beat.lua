-- uses: flight_slot
-- Say that an owner lives, and again what it has. ARGV: epoch, is_sure, closed ms, owner, start, ms that
-- this is true for, seconds to keep, then entry, number, what it found for each flight.
-- Gives ms until this slot opens (-1: another epoch) and 1 when the caller is to seed it.

local SWEPT = 10      -- entries looked at in each beat, for being too old
local SEEDING = 60000 -- milliseconds for seeding, before another owner may try

local left = opening(ARGV[1], ARGV[2], ARGV[3])
if left < 0 then
  return {left, 0}
end
local owner, start, keep = ARGV[4], ARGV[5], tonumber(ARGV[7])
redis.call('HSET', slot, '@' .. owner, start .. ' ' .. (milliseconds + tonumber(ARGV[6])))
for i = 8, #ARGV, 3 do
  local name = '=' .. ARGV[i]
  local value = redis.call('HGET', slot, name)
  local is_due = not value or string.sub(value, 1, 1) ~= 'F'
  if not is_due then
    local since, number, _, theirs, whose = parse(value)
    local is_mine = number == ARGV[i + 1] and theirs == start and whose == owner
    is_due = is_mine and since + SILENT / 2 < seconds
  end
  if is_due then
    redis.call('HSET', slot, name, flight(ARGV[i + 1], ARGV[i + 2], start, owner))
  end
end
local cursor = redis.call('HGET', slot, '#cursor') or '0'
local scanned = redis.call('HSCAN', slot, cursor, 'COUNT', SWEPT)
for i = 1, #scanned[2], 2 do
  local since = string.match(scanned[2][i + 1], '^[FSUE](%d+)')
  if string.sub(scanned[2][i], 1, 1) == '=' and since and since + keep < seconds then
    redis.call('HDEL', slot, scanned[2][i])
  end
end
redis.call('HSET', slot, '#cursor', scanned[1])
local marks = redis.call('HMGET', slot, '#whole', '#seeding')
if left == 0 and not marks[1] and (not marks[2] or tonumber(marks[2]) < milliseconds) then
  redis.call('HSET', slot, '#seeding', milliseconds + SEEDING)
  return {left, 1}
end
return {left, 0}
