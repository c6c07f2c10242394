-- uses: guard
-- Keeps the holds of one worker for a while longer, and its place in line. What is missing while
-- batches are not granted yet is put in again; a batch that is missing later is lost, and so is
-- one that may have been another's before, and whoever was taken for dead while sending: its octets
-- are counted.
--
-- KEYS  holds, leases, line, expired
-- ARGV  epoch, generation, time to live (ms), owner, then for each: hold, what it has ('' when its
--       batch may be another's)
-- gives {0, life, how many wait, place (from 1) of each lost one, ...}, or {2}
local holds, leases, line, expired = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local ttl = tonumber(ARGV[3])
local ms = server_ms()
local found = redis.call('HMGET', holds, 'e', 'ready', 'c', 'b')
if found[1] ~= ARGV[1] .. ':' .. ARGV[2] then return { 2 } end
if tonumber(found[3]) ~= redis.call('ZCARD', leases) then return { 2 } end
reap(holds, leases, expired, ms)
local lost = {}
for place = 1, (#ARGV - 4) / 2 do
  local id, record = ARGV[3 + 2 * place], ARGV[4 + 2 * place]
  if redis.call('HEXISTS', holds, 'h:' .. id) == 1 then
    redis.call('ZADD', leases, 'XX', ms + ttl, id)
  elseif not redis.call('ZSCORE', expired, id .. '!')
      and (record:sub(1, 1) == '0' or (record ~= '' and ms < tonumber(found[2]))) then
    redis.call('ZREM', expired, id)
    put(holds, leases, id, record, ms + ttl)
  else
    lost[#lost + 1] = place
  end
end
local _, waiting = first_in_line(holds, line, ms)
return { 0, tonumber(found[4]), waiting, unpack(lost) }
