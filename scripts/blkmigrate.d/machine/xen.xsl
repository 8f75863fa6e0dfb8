<?xml version="1.0"?>
<!-- SPDX-License-Identifier: GPL-3.0-or-later

     A Xen machine, as libvirt reads its configuration, converted to one for QEMU.  Devices that
     only Xen has become virtio devices, the console becomes a serial one; emulated devices stay
     as they are.  It boots from its disk.  The parameter type is kvm or qemu. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
    xmlns:xen="http://libvirt.org/schemas/domain/xen/1.0" exclude-result-prefixes="xen">
  <xsl:output method="xml" encoding="UTF-8" omit-xml-declaration="yes" indent="yes"/>
  <xsl:strip-space elements="*"/>
  <xsl:param name="type">kvm</xsl:param>
  <xsl:param name="screen"/>
  <xsl:param name="uuid" select="/domain/uuid"/>

  <xsl:template match="@* | node()">
    <xsl:copy>
      <xsl:apply-templates select="@* | node()"/>
    </xsl:copy>
  </xsl:template>

  <xsl:template match="/domain/@type">
    <xsl:attribute name="type"><xsl:value-of select="$type"/></xsl:attribute>
  </xsl:template>

  <xsl:template match="/domain/uuid">
    <uuid><xsl:value-of select="$uuid"/></uuid>
  </xsl:template>

  <!-- If the kernel was on the host, the disk needs a loader now. -->
  <xsl:template match="/domain/os">
    <os>
      <type arch="{type/@arch}" machine="pc">hvm</type>
      <xsl:apply-templates select="boot"/>
      <xsl:if test="not(boot) and not(../devices/*/boot)">
        <boot dev="hd"/>
      </xsl:if>
    </os>
    <xsl:if test="not(../features)">
      <xsl:call-template name="features"/>
    </xsl:if>
  </xsl:template>

  <xsl:template match="/domain/features" name="features">
    <features>
      <acpi/>
      <apic/>
    </features>
  </xsl:template>

  <xsl:template match="/domain/clock">
    <clock offset="utc">
      <xsl:if test="@offset = 'localtime' or @basis = 'localtime'">
        <xsl:attribute name="offset">localtime</xsl:attribute>
      </xsl:if>
    </clock>
  </xsl:template>

  <xsl:template match="/domain/bootloader | /domain/bootloader_args | /domain/xen:*"/>

  <xsl:template match="/domain/on_reboot[. = 'rename-restart']">
    <on_reboot>restart</on_reboot>
  </xsl:template>

  <!-- Libvirt chooses these for the new host. -->
  <xsl:template match="/domain/devices/emulator | /domain/devices/memballoon |
      /domain/devices/controller[@type = 'xenbus'] | /domain/devices/input[@bus = 'xen'] |
      /domain/devices/video[model/@type = 'xen']"/>

  <!-- Xen's driver calls a device a file, too. -->
  <xsl:template match="/domain/devices/disk[starts-with(source/@file, '/dev/')]/@type">
    <xsl:attribute name="type">block</xsl:attribute>
  </xsl:template>

  <xsl:template match="/domain/devices/disk/source[starts-with(@file, '/dev/')]">
    <source dev="{@file}"/>
  </xsl:template>

  <xsl:template match="/domain/devices/disk/driver">
    <driver name="qemu">
      <xsl:apply-templates select="@*[name() != 'name']"/>
    </driver>
  </xsl:template>

  <xsl:template match="/domain/devices/disk/backenddomain | /domain/devices/interface/backenddomain"/>

  <!-- A guest that knows that it runs on Xen uses the fast driver for any disk, whatever its name. -->
  <xsl:template match="/domain/devices/disk/target">
    <xsl:choose>
      <xsl:when test="@bus = 'xen' or /domain/os/type != 'hvm'">
        <target dev="{concat('vd', substring-after(@dev, 'd'))}" bus="virtio"/>
      </xsl:when>
      <xsl:otherwise>
        <target dev="{@dev}" bus="{@bus}"/>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template match="/domain/devices/disk/address"/>

  <xsl:template match="/domain/devices/interface">
    <interface>
      <xsl:apply-templates select="@* | node()[not(self::script or self::model or self::target or self::ip)]"/>
      <xsl:choose>
        <xsl:when test="not(model) or model/@type = 'netfront'">
          <model type="virtio"/>
        </xsl:when>
        <xsl:otherwise>
          <xsl:apply-templates select="model"/>
        </xsl:otherwise>
      </xsl:choose>
    </interface>
  </xsl:template>

  <!-- Xen invents one at each start. -->
  <xsl:template match="/domain/devices/interface/mac[@address = '00:00:00:00:00:00']"/>

  <xsl:template match="/domain/devices/graphics/@listen | /domain/devices/graphics/listen/@address">
    <xsl:attribute name="{name()}">
      <xsl:choose>
        <xsl:when test="$screen = 'local'">127.0.0.1</xsl:when>
        <xsl:otherwise><xsl:value-of select="."/></xsl:otherwise>
      </xsl:choose>
    </xsl:attribute>
  </xsl:template>

  <xsl:template match="/domain/devices/console[target/@type = 'xen']">
    <serial type="pty">
      <target port="0"/>
    </serial>
    <console type="pty">
      <target type="serial" port="0"/>
    </console>
  </xsl:template>
</xsl:stylesheet>
