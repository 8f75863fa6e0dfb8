<?xml version="1.0"?>
<!-- SPDX-License-Identifier: GPL-3.0-or-later

     The files of the host that a domain names besides its disks and what firmware.bash copies: for
     each the three lines class, what it is for, path.  The classes:

       read     read at the start, and must be on the host
       loader   the same, and the firmware's variables are of the same kind
       template the same, unless there are variables already
       socket   something that another program has made
       folder   made by QEMU in a folder that must be on the host
       unknown  a path in an element that is not known here
       argument of QEMU's command line, with paths in it

     No value can pretend to be two lines: a line feed in one becomes U+FFFD. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
    xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
  <xsl:output method="text" encoding="UTF-8"/>

  <xsl:template match="/">
    <xsl:apply-templates select="/domain/os | /domain/sysinfo | /domain/launchSecurity | /domain/devices | /domain/qemu:*"/>
  </xsl:template>

  <xsl:template match="node() | @*">
    <xsl:apply-templates select="@* | node()"/>
  </xsl:template>

  <!-- What is copied, or refused as a whole, is looked at elsewhere. -->
  <xsl:template match="/domain/os/nvram/text() | /domain/os/nvram/source | /domain/os/varstore/@path |
      /domain/os/loader[@type = 'pflash' and not(@readonly = 'yes')] | /domain/os/cmdline | /domain/os/init | /domain/os/initarg |
      /domain/devices/emulator | /domain/devices/disk | /domain/devices/tpm | /domain/devices/pstore |
      /domain/devices/hostdev | /domain/devices/filesystem | /domain/devices/memory |
      seclabel | address | alias | /domain/sysinfo/*[not(self::entry)] | /domain/sysinfo/entry/text()" priority="5"/>

  <xsl:template match="/domain/os/loader" priority="3">
    <xsl:call-template name="file"><xsl:with-param name="class">loader</xsl:with-param><xsl:with-param name="what">its firmware</xsl:with-param></xsl:call-template>
  </xsl:template>
  <xsl:template match="/domain/os/nvram/@template | /domain/os/varstore/@template" priority="3">
    <xsl:call-template name="file"><xsl:with-param name="class">template</xsl:with-param><xsl:with-param name="what">the template of the firmware's variables</xsl:with-param></xsl:call-template>
  </xsl:template>
  <xsl:template match="/domain/os/kernel | /domain/os/initrd | /domain/os/dtb | /domain/os/shim" priority="3">
    <xsl:call-template name="file"><xsl:with-param name="what" select="concat('its ', name())"/></xsl:call-template>
  </xsl:template>
  <xsl:template match="/domain/os/acpi/table" priority="3">
    <xsl:call-template name="file"><xsl:with-param name="what">an ACPI table</xsl:with-param></xsl:call-template>
  </xsl:template>
  <xsl:template match="/domain/sysinfo/entry/@file" priority="3">
    <xsl:call-template name="file"><xsl:with-param name="what" select="concat('what its firmware reads as ', ../@name)"/></xsl:call-template>
  </xsl:template>
  <xsl:template match="rom/@file" priority="3">
    <xsl:call-template name="file"><xsl:with-param name="what">the ROM of a device</xsl:with-param></xsl:call-template>
  </xsl:template>
  <xsl:template match="interface/script/@path | interface/downscript/@path" priority="3">
    <xsl:call-template name="file"><xsl:with-param name="what">the script of an interface</xsl:with-param></xsl:call-template>
  </xsl:template>
  <xsl:template match="smartcard/database" priority="3">
    <xsl:call-template name="file"><xsl:with-param name="what">the certificates of its smart card</xsl:with-param></xsl:call-template>
  </xsl:template>
  <xsl:template match="rng/backend[@model = 'random']" priority="3">
    <xsl:call-template name="file"><xsl:with-param name="class">socket</xsl:with-param><xsl:with-param name="what">where its random numbers come from</xsl:with-param></xsl:call-template>
  </xsl:template>
  <xsl:template match="input/source/@evdev | gl/@rendernode | acceleration/@rendernode | interface[@type = 'vdpa']/source/@dev |
      *[@type = 'dev']/source/@path | *[@type = 'pipe']/source/@path" priority="3">
    <xsl:call-template name="file"><xsl:with-param name="class">socket</xsl:with-param><xsl:with-param name="what">a device of the host that it uses</xsl:with-param></xsl:call-template>
  </xsl:template>
  <xsl:template match="source[@mode = 'connect' or @mode = 'client']/@path | shmem/server/@path | quoteGenerationService/@path" priority="3">
    <xsl:call-template name="file"><xsl:with-param name="class">socket</xsl:with-param><xsl:with-param name="what">the socket of another program</xsl:with-param></xsl:call-template>
  </xsl:template>
  <xsl:template match="*[@type = 'file']/source/@path | log/@file | backend/@logFile | audio[@type = 'file']/@path |
      source[@mode = 'bind' or @mode = 'server']/@path | graphics/@socket | listen/@socket" priority="3">
    <!-- Libvirt makes its own folders. -->
    <xsl:if test="not(starts-with(., '/var/lib/libvirt/qemu/') or starts-with(., '/run/libvirt/') or starts-with(., '/var/run/libvirt/'))">
      <xsl:call-template name="file"><xsl:with-param name="class">folder</xsl:with-param><xsl:with-param name="what">what it writes</xsl:with-param></xsl:call-template>
    </xsl:if>
  </xsl:template>

  <xsl:template match="qemu:arg/@value | qemu:env/@value | qemu:property/@value" priority="3">
    <xsl:call-template name="record">
      <xsl:with-param name="class">argument</xsl:with-param>
      <xsl:with-param name="what">what QEMU is told itself</xsl:with-param>
    </xsl:call-template>
  </xsl:template>

  <xsl:template match="@*[starts-with(., '/')] | text()[starts-with(normalize-space(), '/')]" priority="1">
    <xsl:call-template name="file">
      <xsl:with-param name="class">unknown</xsl:with-param>
      <xsl:with-param name="what" select="concat('named by ', name(../..), '/', name(..))"/>
    </xsl:call-template>
  </xsl:template>

  <!-- A name without a slash is one of libvirt's own. -->
  <xsl:template name="file">
    <xsl:param name="class">read</xsl:param>
    <xsl:param name="what"/>
    <xsl:if test="starts-with(normalize-space(), '/')">
      <xsl:call-template name="record">
        <xsl:with-param name="class" select="$class"/>
        <xsl:with-param name="what" select="$what"/>
      </xsl:call-template>
    </xsl:if>
    <xsl:if test="self::*">
      <xsl:apply-templates select="@*"/>
    </xsl:if>
  </xsl:template>

  <xsl:template name="record">
    <xsl:param name="class"/>
    <xsl:param name="what"/>
    <xsl:value-of select="concat($class, '&#10;', translate($what, '&#10;&#13;', '  '), '&#10;', translate(., '&#10;&#13;', '&#xfffd;&#xfffd;'), '&#10;')"/>
  </xsl:template>
</xsl:stylesheet>
