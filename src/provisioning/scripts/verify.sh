# Says what is still there of $user with $uid; nothing at all when it is clean.
while IFS=: read -r name _ number _; do
  [ "$name" = "$user" ] && echo "problem the account $user is still there"
  [ -n "$uid" ] && [ "$number" = "$uid" ] && echo "problem the uid $uid is still in /etc/passwd, as $name"
done </etc/passwd
if [ -n "$uid" ]; then
  for pid in $(mine); do echo "problem the process $pid still runs as uid $uid"; break; done
fi
exit 0
