-- uses: guard
-- What the records do not have yet, as it is now; nothing while it may be less than they have.
--
-- KEYS  holds, leases, mailings, then a window for each bucket
-- ARGV  epoch, generation, number of mailings, then their streams, then a bucket number for each
--       window
-- gives {0, mailing or nil as false, ..., amount, ...} or {2}
if not guard(KEYS[1], KEYS[2], ARGV[1] .. ':' .. ARGV[2]) then return { 2 } end
local answer, streams = { 0 }, tonumber(ARGV[3])
for place = 1, streams do
  answer[place + 1] = redis.call('HGET', KEYS[3], ARGV[3 + place])
end
for place = 1, #KEYS - 3 do
  answer[streams + place + 1] = redis.call('HGET', KEYS[3 + place], ARGV[3 + streams + place])
end
return answer
