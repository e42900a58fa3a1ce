#!/bin/sh
# The first process of the VM: mounts, loopback, then the command that the host put into /run/vm/command.
#
# ttyS0 is the kernel's console and tells of trouble; ttyS1 carries the command's input and output;
# ttyS2 is a file on the host that receives one tar archive with the exit status and the command's files.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 TERM="${TERM:-linux}" PUREBPF_VM=1 PYTHONPATH=/src:/site PYTHONDONTWRITEBYTECODE=1

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /run/vm/out /run/netns
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mount -t securityfs securityfs /sys/kernel/security
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
hostname purebpf-vm
ip link set lo up
cd /src

if [ -e /run/vm/interactive ]; then
    stty -F /dev/ttyS1 sane
    # a session of its own with ttyS1 as controlling terminal: without it the shell has no job control and no ^C
    setsid -c sh /run/vm/command < /dev/ttyS1 > /dev/ttyS1 2>&1
else
    stty -F /dev/ttyS1 raw -echo
    sh /run/vm/command < /dev/ttyS1 > /dev/ttyS1 2>&1
fi
echo $? > /run/vm/out/status
stty -F /dev/ttyS2 raw -echo
tar -c -C /run/vm/out . > /dev/ttyS2
# the tty's buffer must be in the file before the machine stops
stty -F /dev/ttyS1 -a > /dev/null; sync
python3 -S -c 'import os, termios
for name in "/dev/ttyS1", "/dev/ttyS2":
    termios.tcdrain(os.open(name, os.O_RDWR | os.O_NOCTTY))'
reboot -f
